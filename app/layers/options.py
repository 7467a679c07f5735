"""What configuration says of a layer beyond what the database knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .column import Column
from .cql2.tree import Expression
from .order import SortKey


class OverviewFilter(NamedTuple):
    """A condition beside a layer's own filter for which there is an overview, and how configuration writes it."""

    text: str
    condition: Expression


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """None, or nothing, leaves it to the settings. Zooms are those of the default grid; `buffer` is in units of an
    extent of 4096; `ttl_s` are seconds."""

    minzoom: int | None = None
    maxzoom: int | None = None
    extent: int | None = None
    buffer: int | None = None
    limit: int | None = None
    mvt_name: str | None = None
    ttl_s: int | None = None
    id_column: Column | None = None
    """The integer column that gives feature ids; it need not be served."""
    rank: tuple[SortKey, ...] = ()
    """Which rows come first, and survive a limit, where the request does not sort."""
    numeric_as: str | None = None
    """`double` or `text`."""
    json_as: str | None = None
    """`text`, or `open`: the keys of an object are attributes."""
    overview_sum: tuple[Column, ...] = ()
    overview_mean: tuple[Column, ...] = ()
    """Columns whose sum, and mean, over its rows a feature of an overview carries."""
    overview_merge: tuple[Column, ...] = ()
    """Columns by whose values an overview makes lines that follow upon one another one feature."""
    overview_filters: tuple[OverviewFilter, ...] = ()
    """Conditions beside `filter` for which there are overviews of their own."""
    overview_filter: OverviewFilter | None = None
    """The one of these that `filter` holds, in the layer that such an overview is built of."""
    filter: Expression | None = None
    """What every row of the layer fulfils, whoever asks."""


NO_OPTIONS = LayerOptions()
