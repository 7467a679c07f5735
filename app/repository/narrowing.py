"""Options, filter and columns of an entry, put upon a layer: it can only become narrower."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..layers.column import Column
from ..layers.cql2.asked import parse_for
from ..layers.cql2.syntax import FilterError
from ..layers.cql2.tree import Expression, both
from ..layers.layer import Layer, RowLayer
from ..layers.layer_entry import Entry
from ..layers.names import nearest
from ..layers.options import NO_OPTIONS, OverviewFilter
from ..layers.order import SortKey
from ..layers.values import is_sortable

_AS_THEY_ARE = ("minzoom", "maxzoom", "buffer", "limit", "mvt_name", "ttl_s", "numeric_as", "json_as")
_INTEGERS = ("int2", "int4", "int8")
_NUMBERS = (*_INTEGERS, "float4", "float8", "numeric")


class Unusable(Exception):
    """Why a layer cannot be served as it is configured; to serve it otherwise could show what nobody shall see."""


class Narrowing:
    """Puts entries upon layers. What does not fit a layer and does no harm goes to `notices`, a list of sentences."""

    def __init__(self, largest_extent: int, notices: list[str]) -> None:
        self._largest_extent = largest_extent
        self.notices = notices

    def narrowed(
        self, layer: Layer, entry: Entry, who: str, id_column: str | None = None, whole: Layer | None = None
    ) -> Layer:
        """The layer with these options over those that it has, and with no more columns than they leave.

        `whole` is the layer with all its columns, where it has fewer: filter and rank may name any of them.
        """
        said = {name: value for name in _AS_THEY_ARE if (value := getattr(entry, name, None)) is not None}
        if entry.extent is not None:
            said["extent"] = min(entry.extent, self._largest_extent)
            if said["extent"] < entry.extent:
                self.notices.append(f"{who}: extent {entry.extent} is above FLAGSTONE_MAX_TILE_EXTENT, {said['extent']} is used")
        if not isinstance(layer, RowLayer):
            self._no_rows(entry, who, id_column)
            return replace(layer, options=replace(layer.options, **said))
        known = whole if isinstance(whole, RowLayer) else layer
        if entry.filter is not None:
            said["filter"] = both(layer.options.filter, self._filter(known, entry.filter, entry.filter_lang))
        if entry.rank is not None:
            said["rank"] = tuple(self._rank(known, entry.rank, who))
        if id_column is not None and (column := self._id_column(layer, id_column, who)) is not None:
            said["id_column"] = column
        columns = layer.columns
        if entry.columns is not None:
            columns = self._columns(layer, entry.columns, who)
            if "id_column" not in said and layer.options.id_column is None:
                # The feature id stays what it was, also where its column is no longer served.
                said["id_column"] = _own_id(layer)
        overview = getattr(entry, "overview", None)
        if overview is not None:
            said["overview_sum"] = tuple(self._numbers(layer, columns, overview.sum, f"{who} overview.sum"))
            said["overview_mean"] = tuple(self._numbers(layer, columns, overview.mean, f"{who} overview.mean"))
            said["overview_merge"] = tuple(self._merged(layer, columns, overview.merge, f"{who} overview.merge"))
            said["overview_filters"] = tuple(self._filters(layer, overview.filters, f"{who} overview.filters"))
        options = replace(layer.options, **said)
        return replace(layer, columns=columns, options=options if options != NO_OPTIONS else NO_OPTIONS)

    def _filter(self, layer: RowLayer, text: str, language: str | None) -> Expression:
        try:
            return parse_for(layer, text, language)
        except FilterError as error:
            raise Unusable(f"filter: {error}") from None

    def _rank(self, layer: RowLayer, names: tuple[str, ...], who: str) -> Iterator[SortKey]:
        for name in names:
            # A column whose name begins with a sign is itself, before it is another one in some direction.
            column = _column(layer, name)
            descending = column is None and name.startswith("-")
            if column is None:
                column = _column(layer, name[1:]) if name[:1] in "+-" else None
            if column is None:
                self._no_column(layer, "rank", name.lstrip("+-"), who)
            elif not is_sortable(column):
                self.notices.append(f"{who} rank: {name!r} is {column.type}, which has no order; it is not used")
            else:
                yield SortKey(column, descending)

    def _id_column(self, layer: RowLayer, name: str, who: str) -> Column | None:
        column = _column(layer, name)
        if column is None:
            self._no_column(layer, "id", name, who)
        elif column.base_type not in _INTEGERS:
            self.notices.append(f"{who} id: {name!r} is {column.type}, a feature id must be an integer; it is not used")
            column = None
        return column

    def _numbers(self, layer: RowLayer, columns: tuple[Column, ...], names: tuple[str, ...], where: str) -> Iterator[Column]:
        """Served columns that can be added up."""
        for name in dict.fromkeys(names):
            column = _column(layer, name)
            if column is None:
                self._no_column(layer, "", name, where)
            elif column.base_type not in _NUMBERS:
                self.notices.append(f"{where}: {name!r} is {column.type}, which cannot be added up")
            elif column not in columns:
                self.notices.append(f"{where}: {name!r} is not among the columns that are served")
            else:
                yield column

    def _merged(self, layer: RowLayer, columns: tuple[Column, ...], names: tuple[str, ...], where: str) -> Iterator[Column]:
        """Served columns by which lines are merged."""
        if names and layer.geometry.has_no_lines:
            self.notices.append(f"{where}: only lines are merged, and the geometry is {layer.geometry.type}")
            return
        for name in dict.fromkeys(names):
            column = _column(layer, name)
            if column is None:
                self._no_column(layer, "", name, where)
            elif column not in columns:
                self.notices.append(f"{where}: {name!r} is not among the columns that are served")
            else:
                yield column

    def _filters(self, layer: RowLayer, texts: tuple[str, ...], where: str) -> Iterator[OverviewFilter]:
        """Conditions that a request may ask for; one that cannot be understood hides nothing, and is left out."""
        known: set[str] = set()
        for place, text in enumerate(texts):
            try:
                condition = parse_for(layer, text, None)
            except FilterError as error:
                self.notices.append(f"{where}[{place}]: {error}")
                continue
            # The same in other words would be the same overview.
            if repr(condition) not in known:
                known.add(repr(condition))
                yield OverviewFilter(text, condition)

    def _columns(self, layer: RowLayer, names: tuple[str, ...], who: str) -> tuple[Column, ...]:
        for name in names:
            if _column(layer, name) is None:
                self._no_column(layer, "columns", name, who)
        return tuple(column for column in layer.columns if column.name in names)

    def _no_column(self, layer: RowLayer, key: str, name: str, who: str) -> None:
        near = nearest(name, (column.name for column in layer.columns))
        self.notices.append(f"{f'{who} {key}'.rstrip()}: there is no column {name!r}{f'; {near[0]} is one' if near else ''}")

    def _no_rows(self, entry: Entry, who: str, id_column: str | None) -> None:
        if entry.filter is not None:
            raise Unusable("filter: its tiles are made by a function, whose rows cannot be filtered")
        said = [name for name in ("columns", "rank", "overview") if getattr(entry, name, None) is not None] + (["id"] if id_column else [])
        if said:
            self.notices.append(f"{who}: {', '.join(said)} mean nothing to a layer whose tiles a function makes")


def _column(layer: RowLayer, name: str) -> Column | None:
    return next((column for column in layer.columns if column.name == name), None)


def _own_id(layer: RowLayer) -> Column | None:
    """The column that gives feature ids by itself, whoever may read it."""
    column = _column(layer, layer.key[0]) if len(layer.key) == 1 else None
    return column if column is not None and column.base_type in _INTEGERS else None
