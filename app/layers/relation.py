"""A relation of the database as a layer: one geometry column of a table, view or the like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .cql2.tree import Expression
from .layer import RowLayer
from .names import layer_id
from .overview import Overview, with_filters
from .overview_definition import definition


@dataclass(frozen=True, kw_only=True)
class RelationLayer(RowLayer):
    """A table, view, materialized view, foreign or partitioned table with one of its geometry columns.

    `kind` is the letter of pg_class.relkind (r, v, m, f, p). `key` is the primary key, or for a view the key of the
    table it was traced to.
    """

    oid: int
    kind: str
    definition: str = ""
    """Another text whenever a view's definition, or the row security of a table, becomes another."""
    is_first_geometry: bool = True
    overviews: tuple[Overview, ...] = ()
    """Those that fit it, one for a grid."""

    @property
    def has_bare_name(self) -> bool:
        return self.is_first_geometry

    @property
    def other_names(self) -> tuple[str, ...]:
        """The table's name, and its id with the geometry column, which a further column's has always."""
        return (*super().other_names, layer_id(self.schema, self.name, self.geometry.name))

    @property
    def key_is_never_null(self) -> bool:
        """A materialized view's unique index takes many NULLs."""
        return self.kind != "m"

    def _definition(self) -> tuple[Any, ...]:
        builds = tuple((each.id, each.build) for each in self.overviews)
        return (*super()._definition(), self.oid, self.kind, self.definition, *builds)

    def overview(self, grid_key: str) -> Overview | None:
        """What is stored for a grid; None where nothing is, or where it was built for the layer with another filter."""
        return self.filtered_overview(grid_key, self.options.filter)

    def filtered_overview(self, grid_key: str, chosen: Expression | None) -> Overview | None:
        """What is stored for a grid of the rows that fulfil a condition; None where nothing is."""
        return next((each for condition, each in self._fitting.get(grid_key, ()) if condition == chosen), None)

    @cached_property
    def _fitting(self) -> dict[str, list[tuple[Expression | None, Overview]]]:
        found: dict[str, list[tuple[Expression | None, Overview]]] = {}
        for layer in with_filters(self) if self.overviews else ():
            for each in self.overviews:
                if each.definition == definition(layer, each.grid_key):
                    found.setdefault(each.grid_key, []).append((layer.options.filter, each))
        return found
