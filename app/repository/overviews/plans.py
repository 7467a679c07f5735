"""What a build makes, as it is written down: one that was interrupted goes on by it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...layers.overview import BandPlan


@dataclass(frozen=True, slots=True)
class Plan:
    """The bands to build, from the finest to the coarsest, and whether heavy polygons are stored in pieces above them."""

    bands: tuple[BandPlan, ...]
    pieces: bool

    def document(self) -> dict[str, Any]:
        """As JSON for the registry."""
        return {"bands": [asdict(band) for band in self.bands], "pieces": self.pieces}

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Plan:
        """A plan that a build before this one wrote down."""
        return cls(tuple(BandPlan(**band) for band in document["bands"]), bool(document["pieces"]))
