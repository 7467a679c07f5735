"""A function of the database that returns rows with a geometry: a layer like a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .function import Argument, function_names
from .layer import RowLayer


class Filled(StrEnum):
    """What fills an argument of a function for every tile."""

    ZOOM = "z"
    COLUMN = "x"
    ROW = "y"
    BOUNDS = "bounds"
    """The tile's box with its buffer, in the reference system of the layer; for a geography in degrees."""


@dataclass(frozen=True, slots=True)
class FilledArgument:
    """An argument that the tile fills. `type` is as PostgreSQL writes it in a statement."""

    name: str
    type: str
    filled: Filled
    is_geography: bool = False


@dataclass(frozen=True, kw_only=True)
class RowFunctionLayer(RowLayer):
    """A function that returns rows.

    `arguments` are those that the query string fills, `filled` those that the tile does. `volatility` is the letter of
    `pg_proc.provolatile`.
    """

    oid: int
    arguments: tuple[Argument, ...] = ()
    filled: tuple[FilledArgument, ...] = ()
    is_bare: bool = False
    """Whether it returns geometries alone, not rows with columns."""
    is_typed: bool = False
    """Whether the type of its geometry says the reference system; else each row has the last word."""
    returned: tuple[str, ...] = ()
    """The names of all attributes that come out, also where configuration leaves fewer."""
    volatility: str = "v"
    definition: str = ""
    """Another text whenever the function becomes another one."""

    @property
    def other_names(self) -> tuple[str, ...]:
        return function_names(self.id, self.schema, self.name)

    def _definition(self) -> tuple[Any, ...]:
        return (
            *super()._definition(), self.schema, self.name, self.oid, self.arguments, self.filled, self.is_bare,
            self.is_typed, self.returned, self.definition,
        )  # fmt: skip
