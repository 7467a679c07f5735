"""Which tiles a command means: a box, and zooms."""

from __future__ import annotations

import click

from ..layers.bounds import Bounds

_DEEPEST = 30


class _Box(click.ParamType[Bounds]):
    """Four numbers: west, south, east, north."""

    name = "west,south,east,north"

    def convert(self, value: str | Bounds, param: click.Parameter | None, ctx: click.Context | None) -> Bounds:
        if isinstance(value, Bounds):
            return value
        try:
            box = Bounds(*(float(part) for part in value.split(",")))
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not west,south,east,north.", param, ctx)
        # NaN is within nothing.
        if not (-180 <= box.xmin <= 180 and -180 <= box.xmax <= 180 and -90 <= box.ymin <= box.ymax <= 90):
            self.fail(f"{value!r} is no box of longitudes and latitudes.", param, ctx)
        return box


class Zooms(click.ParamType[range]):
    """One zoom, or the first and the last one."""

    name = "zoom or first-last"

    def convert(self, value: str | range, param: click.Parameter | None, ctx: click.Context | None) -> range:
        if isinstance(value, range):
            return value
        first, dash, last = value.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            self.fail(f"{value!r} is neither a zoom nor like 0-8.", param, ctx)
        low, high = int(first), int(last or first)
        if not low <= high <= _DEEPEST:
            self.fail(f"{value!r}: zooms go up, to {_DEEPEST} at the most.", param, ctx)
        return range(low, high + 1)


BOX = click.option("--bbox", "box", type=_Box(), help="Only tiles that meet this box of longitude and latitude.")
