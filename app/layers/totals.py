"""Sums and means: numbers of a layer added up over the rows that a feature of its overviews stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .column import Column
from .overview import BandNames, has_row_security, stored_columns

if TYPE_CHECKING:
    from .relation import RelationLayer

_MOST_BYTES = 63 - 8
"""Of a column's name PostgreSQL keeps 63; some are left for what tells names apart that were cut."""


@dataclass(frozen=True, slots=True)
class Total:
    """A number of the layer that is added up over the rows that a feature stands for: in `total`, of the `rows` in which
    it is not NULL, with its `mean` where that is wanted. `is_sum` says whether the total is served."""

    column: Column
    total: str
    rows: str
    mean: str | None
    is_sum: bool

    @property
    def served(self) -> tuple[Column, ...]:
        """Its attributes."""
        name = self.column.name
        made = [Column(self.total, "numeric", "numeric", "N", f"Sum of {name} over the rows that this feature stands for.")] if self.is_sum else []
        if self.mean is not None:
            made.append(Column(self.mean, "double precision", "float8", "N", f"Mean of {name} over the rows that this feature stands for."))
        return tuple(made)


def totals(layer: RelationLayer) -> tuple[Total, ...]:
    """What is added up; nothing where rows are secured: a sum tells of rows that not everybody may see."""
    options = layer.options
    if has_row_security(layer):
        return ()
    stored = stored_columns(layer)
    names = BandNames.beside(stored)
    taken = {*stored, *(getattr(names, each) for each in BandNames.__dataclass_fields__)}

    def free(before: str, name: str, after: str) -> str:
        made = _fitting(before, name, after)
        while made in taken:
            made += "_"
        taken.add(made)
        return made

    return tuple(
        Total(
            column,
            free("", column.name, "_sum") if column in options.overview_sum else free("~", column.name, " total"),
            free("~", column.name, " rows"),
            free("", column.name, "_mean") if column in options.overview_mean else None,
            column in options.overview_sum,
        )
        for column in dict.fromkeys((*options.overview_sum, *options.overview_mean))
    )


def _fitting(before: str, name: str, after: str) -> str:
    """A column's name with something around it, cut in the middle of a long one, never within a character."""
    room = _MOST_BYTES - len((before + after).encode())
    return before + name.encode()[:room].decode(errors="ignore") + after
