"""The five layers of schema `scale`: what they hold, and where their rows come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from . import buildings, dcw, gshhg, places
from .rows import Row
from .sources import Sources

SCHEMA = "scale"
SEED = 1


@dataclass(frozen=True, slots=True)
class ScaleTable:
    """A table with an integer key `id`, further columns, and `geom` in EPSG:4326."""

    name: str
    columns: tuple[tuple[str, str], ...]
    shape: str
    about: int
    """How many rows there will be, more or less: for the progress bar."""
    made_of: str
    """All that its rows depend on: a table with another mark is made again."""
    rows: Callable[[], Iterator[Row]]

    @property
    def layer(self) -> str:
        return f"{SCHEMA}.{self.name}"


class Data:
    """The rows of all layers. `written` gives what GMT writes."""

    def __init__(
        self,
        sources: Sources,
        written: Callable[[], Iterable[str]] = dcw.lines,
        *,
        building_count: int = 2_000_000,
    ):
        self._sources = sources
        self._written = written
        self._building_count = building_count

    @cached_property
    def _places(self) -> list[places.Place]:
        return places.read(self._sources.places_file())

    def tables(self) -> tuple[ScaleTable, ...]:
        """In the order of loading: the ones that are soon there first."""
        count = self._building_count
        shores, towns = self._sources.shores.name, self._sources.places.name
        return (
            ScaleTable("places", (("name", "text"), ("country", "text"), ("population", "integer")), "Point",
                       235_000, towns, lambda: places.rows(self._places)),
            ScaleTable("countries", (("code", "text"), ("name", "text")), "MultiPolygon",
                       249, "gmt coast", lambda: dcw.countries(self._written())),
            ScaleTable("shoreline", (("gshhg", "text"), ("level", "smallint"), ("area", "double precision")), "Polygon",
                       188_260, shores, lambda: gshhg.shoreline(*self._packed("gshhs"))),
            ScaleTable("rivers", (("river", "integer"), ("level", "smallint")), "LineString",
                       2_259_000, shores, lambda: gshhg.rivers(*self._packed("rivers"))),
            ScaleTable("buildings", (("kind", "text"), ("levels", "smallint"), ("name", "text")), "Polygon",
                       count, f"{towns}, {count} buildings, seed {SEED}",
                       lambda: buildings.rows(self._places, count, SEED)),
        )  # fmt: skip

    def _packed(self, name: str) -> tuple[bytes, bytes]:
        index, points = (self._sources.shore_file(f"{name}{part}.dat") for part in ("meta_f", "_f"))
        return index, points
