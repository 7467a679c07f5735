"""Rectangles in a coordinate reference system."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """A box (west, south, east, north) or (xmin, ymin, xmax, ymax), in the units of the CRS that its owner names."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def width(self) -> float:
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        return self.ymax - self.ymin

    def padded(self, dx: float, dy: float) -> Bounds:
        """The box grown by `dx` to the left and right and `dy` below and above."""
        return Bounds(self.xmin - dx, self.ymin - dy, self.xmax + dx, self.ymax + dy)

    def intersects(self, other: Bounds) -> bool:
        """Whether the boxes share at least a point."""
        return (
            self.xmin <= other.xmax and other.xmin <= self.xmax and self.ymin <= other.ymax and other.ymin <= self.ymax
        )

    def clamped(self, other: Bounds) -> Bounds:
        """The common part; the boxes must share at least a point."""
        return Bounds(
            max(self.xmin, other.xmin), max(self.ymin, other.ymin), min(self.xmax, other.xmax), min(self.ymax, other.ymax)
        )

    def as_list(self) -> list[float]:
        return [self.xmin, self.ymin, self.xmax, self.ymax]


WORLD = Bounds(-180.0, -90.0, 180.0, 90.0)
"""Longitude and latitude of the whole earth."""
EVERYWHERE = Bounds(-1e300, -1e300, 1e300, 1e300)
"""A box that every finite coordinate is in: the search box where no smaller one is certain."""
