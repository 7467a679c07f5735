"""Layers: what all kinds of them have in common, and those that are rows with a geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from .bounds import Bounds
from .column import Column
from .crs import Crs
from .follows import Follows
from .identity import Identity
from .layer_entry import CommentEntry
from .names import escape
from .options import NO_OPTIONS, LayerOptions

POINTS = frozenset({"POINT", "MULTIPOINT"})
_AREAS = frozenset({"POLYGON", "MULTIPOLYGON", "CURVEPOLYGON", "MULTISURFACE", "POLYHEDRALSURFACE", "TIN", "TRIANGLE"})


@dataclass(frozen=True, slots=True)
class GeometryColumn:
    """`type` is upper case without dimension (`MULTIPOLYGON`, `GEOMETRY` for any)."""

    name: str
    type: str
    crs: Crs
    is_geography: bool = False

    @property
    def only_points(self) -> bool:
        return self.type in POINTS

    @property
    def has_no_lines(self) -> bool:
        return self.type in POINTS or self.type in _AREAS

    @property
    def is_sphere_shape(self) -> bool:
        """Whether it holds lines or areas on the sphere, which may cross ±180 and go around a pole."""
        return self.is_geography and not self.only_points


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What a tile can be asked of. `login` is the role that Flagstone connects as."""

    id: str
    schema: str
    """Empty where no schema of the database holds it."""
    name: str
    login: str
    title: str | None = None
    description: str | None = None
    attribution: str | None = None
    declared_bounds: Bounds | None = None
    options: LayerOptions = NO_OPTIONS
    comment: CommentEntry | None = None
    """What a JSON comment in the database says; `options` and the texts hold it already where it can be used."""
    tilejson_members: Mapping[str, Any] = field(default_factory=dict)
    """Further members of its TileJSON, from that comment."""
    follows: Follows | None = None
    """The tables by whose changes its tiles grow old; None where nothing tells of all of them."""

    def readable_by(self, identity: Identity) -> bool:
        """Whether this identity may have its tiles."""
        raise NotImplementedError

    def columns_for(self, identity: Identity) -> tuple[Column, ...]:
        """The attributes that this identity may read; none where they are not known before the tile is made."""
        raise NotImplementedError

    @property
    def has_bare_name(self) -> bool:
        """Whether its name without the schema leads to it."""
        return True

    @property
    def other_names(self) -> tuple[str, ...]:
        """What leads to it beside its id, where no layer goes before it; the best one first."""
        return (escape(self.name),)

    def _definition(self) -> tuple[Any, ...]:
        """All that decides what its tiles hold."""
        return (self.id, self.options)

    @cached_property
    def digest(self) -> str:
        """A digest of all that decides what its tiles hold; part of every cache key.

        Texts that people read are left out: they change documents, not tiles. So are rows and extent.
        """
        return blake2b(repr(self._definition()).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class RowLayer(Layer):
    """A layer of rows, each with a geometry.

    `key` tells rows apart. `readers` gives for each role that may read it the columns that it may read; None stands
    for all of them. The login itself is the role `login`.
    """

    geometry: GeometryColumn
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    readers: dict[str, frozenset[str] | None] = field(default_factory=dict)
    estimated_rows: int | None = None
    has_ctid: bool = False
    runs_code: bool = False
    """Whether reading it runs other people's functions (a view over a volatile function)."""

    @property
    def key_is_never_null(self) -> bool:
        """Whether the key tells every row from every other."""
        return False

    def key_for(self, identity: Identity) -> tuple[str, ...]:
        """The key, where this identity may read all of it; else none."""
        readable = self.readers[identity.role or self.login]
        return self.key if readable is None or readable.issuperset(self.key) else ()

    def has_ctid_for(self, identity: Identity) -> bool:
        """Whether rows can be told apart by their place; PostgreSQL shows it only to who may read the whole table."""
        return self.has_ctid and self.readers[identity.role or self.login] is None

    def id_column_for(self, identity: Identity) -> Column | None:
        """The column that gives MVT feature ids: the configured one, else a readable key of one integer column."""
        chosen = self.options.id_column
        if chosen is not None:
            readable = self.readers[identity.role or self.login]
            return chosen if readable is None or chosen.name in readable else None
        key = self.key_for(identity)
        if len(key) != 1:
            return None
        return next((c for c in self.columns if c.name == key[0] and c.base_type in ("int2", "int4", "int8")), None)

    def row_id_for(self, identity: Identity) -> Column | None:
        """The column of any type whose values tell rows apart for people: the configured one, else a key of one column."""
        chosen = self.id_column_for(identity)
        if chosen is not None or self.options.id_column is not None:
            return chosen
        key = self.key_for(identity)
        return next((c for c in self.columns if c.name == key[0]), None) if len(key) == 1 else None

    def readable_by(self, identity: Identity) -> bool:
        """Whether this identity may read the geometry column; the role decides, or the login."""
        role = identity.role or self.login
        if role not in self.readers:
            return False
        columns = self.readers[role]
        return columns is None or self.geometry.name in columns

    def columns_for(self, identity: Identity) -> tuple[Column, ...]:
        """The columns that this identity may read, in the table's order."""
        readable = self.readers[identity.role or self.login]
        return self.columns if readable is None else tuple(c for c in self.columns if c.name in readable)

    def _definition(self) -> tuple[Any, ...]:
        readers = sorted((role, None if names is None else tuple(sorted(names))) for role, names in self.readers.items())
        return (*super()._definition(), self.geometry, self.columns, self.key, self.has_ctid, self.runs_code, readers)
