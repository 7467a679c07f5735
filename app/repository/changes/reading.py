"""What the catalog knows of changes: which layers are made of tables alone whose changes are written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...layers.follows import Follows
from ...layers.layer import Layer
from ...layers.overview import has_row_security
from ...layers.relation import RelationLayer
from .log import Followed
from .sources import Source

NO_TRIGGERS = "nothing tells of its changes"
Reads = Callable[[Layer], Sequence[str] | None]
"""The tables, as `schema.table`, that a layer was said to read; None where nothing was said."""


def following(
    layers: Collection[Layer], tables: Collection[Followed], sources: Mapping[int, Source], reads: Reads
) -> tuple[tuple[Layer, ...], dict[str, str]]:
    """The layers, those that can be followed with what they follow; and by id why others cannot.

    `sources` are the views among the layers, the tables with row security, and all that they read.
    """
    known = _Known.of(tables)
    made: list[Layer] = []
    reasons: dict[str, str] = {}
    for layer in layers:
        try:
            made.append(replace(layer, follows=_Walk(known, sources).follows(layer, reads(layer))))
        except _NotFollowed as reason:
            made.append(layer)
            reasons[layer.id] = str(reason)
    return tuple(made), reasons


def to_be_read(layers: Collection[Layer]) -> set[int]:
    """The relations whose definitions decide what is followed."""
    return {
        layer.oid
        for layer in layers
        if isinstance(layer, RelationLayer) and (layer.kind == "v" or has_row_security(layer))
    }


def notices(tables: Collection[Followed]) -> tuple[str, ...]:
    """Whoever installed triggers must not find out by old tiles that some are missing."""
    return tuple(
        f"{each.name} was followed and is gone: `flask changes uninstall {each.name}` forgets it. A table that came in its place is"
        " followed after `flask changes install`."
        if each.is_gone
        else f"Changes of {each.name} are not followed: {each.fault}. Its tiles are kept for their time to live."
        " `flask changes install --all` covers what is new, and forgets what is gone."
        for each in tables
        if each.fault is not None
    )


class _NotFollowed(Exception):
    """Why a layer keeps its time to live."""


@dataclass(frozen=True)
class _Known:
    """What is followed, by the oid of each table: a table may be below of several that somebody named."""

    whole: dict[int, list[Followed]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    by_name: dict[str, Followed] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Collection[Followed]) -> _Known:
        known = cls(by_name={each.name: each for each in tables})
        for each in tables:
            for member in each.members or ():
                if each.fault is None:
                    known.whole.setdefault(member, []).append(each)
                else:
                    known.faults[member] = each.fault
        return known


@dataclass
class _Walk:
    """From one layer to all tables that it is made of."""

    known: _Known
    sources: Mapping[int, Source]
    places: set[int] = field(default_factory=set)
    everywhere: set[int] = field(default_factory=set)
    partly: str | None = None
    seen: set[int] = field(default_factory=set)

    def follows(self, layer: Layer, reads: Sequence[str] | None) -> Follows:
        if reads is not None:
            for name in reads:
                self._declared(name)
        elif isinstance(layer, RelationLayer):
            self._relation(layer.oid, layer.id, layer.geometry.name)
            if has_row_security(layer):
                self._secured(layer.oid, layer.id)
        else:
            raise _NotFollowed(
                "what it reads is not known; `reads` in the layers file or its comment says it"
            )
        return Follows(frozenset(self.places), frozenset(self.everywhere), self.partly)

    def _declared(self, name: str) -> None:
        table = self.known.by_name.get(name)
        if table is None:
            raise _NotFollowed(f"{name}, which it reads, is not followed")
        if table.fault is not None:
            raise _NotFollowed(table.fault)
        self.everywhere.add(table.relation)
        self.partly = self.partly or table.partly

    def _relation(self, relation: int, name: str, column: str | None) -> None:
        """A table or view. `column` is its geometry column, where a change of it is seen at the place of that alone."""
        if column is None:
            if relation in self.seen:
                return
            self.seen.add(relation)
        source = self.sources.get(relation)
        if source is not None and source.kind == "v":
            self._view(source, column)
            return
        tables = self.known.whole.get(relation)
        if not tables:
            raise _NotFollowed(self.known.faults.get(relation) or f"{name}: {NO_TRIGGERS}")
        if column is None:
            self.everywhere.update(each.relation for each in tables)
        else:
            fitting = [each for each in tables if column in each.geometry_columns]
            if not fitting:
                raise _NotFollowed(
                    f"{name}: its triggers do not look at column {column}, which is newer; install them again"
                )
            # Any of several is enough: each hears of every change of this table.
            tables = fitting[:1]
            self.places.update(each.relation for each in tables)
        self.partly = self.partly or next((each.partly for each in tables if each.partly), None)
        if source is not None:
            self._secured(relation, name)

    def _secured(self, relation: int, name: str) -> None:
        """What the policies of a table read."""
        source = self.sources.get(relation)
        if source is None:
            raise _NotFollowed(f"{name}: what its policies read is not known")
        if source.fault is not None:
            raise _NotFollowed(f"a policy of {name} {source.fault}")
        for each in source.reads:
            self._relation(each, self._name(each), None)

    def _view(self, source: Source, column: str | None) -> None:
        if source.fault is not None:
            raise _NotFollowed(f"{source.name} {source.fault}")
        behind, behind_column = source.columns.get(column, (0, "")) if column is not None else (0, "")
        for each in source.reads:
            # Named twice it is read beside the rows that are shown, too.
            at_its_place = each == behind and source.reads.count(each) == 1
            self._relation(each, self._name(each), behind_column if at_its_place else None)

    def _name(self, relation: int) -> str:
        source = self.sources.get(relation)
        return source.name if source is not None else "a relation"
