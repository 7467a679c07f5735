"""A relation of the database as a layer: one geometry column of a table, view or the like."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from .bounds import Bounds
from .column import Column
from .crs import Crs
from .identity import Identity
from .names import layer_id

POINTS = frozenset({"POINT", "MULTIPOINT"})


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


@dataclass(frozen=True)
class RelationLayer:
    """A table, view, materialized view, foreign or partitioned table with one of its geometry columns.

    `kind` is the letter of pg_class.relkind (r, v, m, f, p). `key` is the primary key, or for a view the key of the
    table it was traced to. `readers` gives for each role that may read the relation the columns it may read; None
    stands for all of them. The login itself is the role `login`.
    """

    schema: str
    name: str
    oid: int
    kind: str
    geometry: GeometryColumn
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    login: str
    readers: dict[str, frozenset[str] | None]
    title: str | None = None
    description: str | None = None
    attribution: str | None = None
    estimated_rows: int | None = None
    declared_bounds: Bounds | None = None
    has_ctid: bool = True
    runs_code: bool = False
    """Whether reading it runs other people's functions (a view over a volatile function)."""
    definition: str = ""
    """Another text whenever a view's definition, or the row security of a table, becomes another."""
    is_first_geometry: bool = True
    id: str = field(init=False)

    def __post_init__(self) -> None:
        column = None if self.is_first_geometry else self.geometry.name
        object.__setattr__(self, "id", layer_id(self.schema, self.name, column))

    @property
    def key_is_never_null(self) -> bool:
        """Whether the key tells every row from every other: a materialized view's unique index takes many NULLs."""
        return self.kind != "m"

    def key_for(self, identity: Identity) -> tuple[str, ...]:
        """The key, where this identity may read all of it; else none."""
        readable = self.readers[identity.role or self.login]
        return self.key if readable is None or readable.issuperset(self.key) else ()

    def has_ctid_for(self, identity: Identity) -> bool:
        """Whether rows can be told apart by their place; PostgreSQL shows it only to who may read the whole table."""
        return self.has_ctid and self.readers[identity.role or self.login] is None

    def id_column_for(self, identity: Identity) -> Column | None:
        """The column that gives MVT feature ids: a readable key of one integer column."""
        key = self.key_for(identity)
        if len(key) != 1:
            return None
        return next((c for c in self.columns if c.name == key[0] and c.base_type in ("int2", "int4", "int8")), None)

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

    @cached_property
    def digest(self) -> str:
        """A digest of all that decides what its tiles hold; part of every cache key.

        Texts that people read are left out: they change documents, not tiles. So are rows and extent.
        """
        definition = (
            self.id, self.oid, self.kind, self.geometry, self.columns, self.key, self.has_ctid, self.runs_code,
            self.definition,
            sorted((role, None if names is None else tuple(sorted(names))) for role, names in self.readers.items()),
        )  # fmt: skip
        return hashlib.blake2b(repr(definition).encode(), digest_size=8).hexdigest()
