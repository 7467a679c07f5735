"""Blocks: the rows of a layer in some thousand rectangles of about as many rows each, counted when a band is made of them.

A later count that differs says in which rectangles rows came, went or became others: without triggers, and without
remembering each row. A row belongs to the block of the lower left corner of its box, in the layer's CRS: whatever the
geometry is, that corner is known from the head of its value. Where the rows of a block lie in the grid is remembered as
the box of their cells, whichever way the projection bends.

    block    number of the block, from 1
    bound    where it begins, see `Blocks.key`
    rows     rows, with or without a place in the grid
    digest   what tells these rows from others (`Trace`)
    inside   rows with a place in the grid
    cells    box of their cells in the finest band, column and row; sum_x, sum_y: the sums of these
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from .. import own_schema
from ..identifier import identifier
from .target import Target

FAR = 1e30
"""Beyond that lies nothing."""
BLOCK, SETTLED = "flagstone~block", "flagstone~settled"
"""Columns beside a table's own; nobody calls a column so."""


@dataclass(frozen=True)
class Blocks:
    """Where blocks begin. `strips` are values of x; in each strip blocks are ranges of y, between `low` and `high`."""

    strips: tuple[float, ...]
    low: float
    high: float
    bounds: tuple[float, ...] | sql.Identifier
    """Themselves, or the table of blocks that has them: there may be a hundred thousand, which are not sent to and fro."""

    @property
    def span(self) -> float:
        """Distance of two strips on the line that `bounds` divide."""
        return self.high - self.low + 1.0

    def number(self, target: Target, geom: sql.Composable) -> sql.Composed:
        """The block of a geometry; NULL for NULL and empty ones."""
        if isinstance(self.bounds, sql.Identifier):
            bounds = sql.SQL("ARRAY(SELECT bound FROM {} ORDER BY block)").format(self.bounds)
        else:
            bounds = as_array(self.bounds)
        return sql.SQL("pg_catalog.width_bucket({key}, {bounds})").format(
            key=self.key(target, geom), bounds=bounds
        )

    def column(self, target: Target) -> sql.Composed:
        """The block of a row of `source`, as a column of its feature."""
        return sql.SQL("{} AS {}").format(self.number(target, target.sql.shapes.column()), identifier(BLOCK))

    def key(self, target: Target, geom: sql.Composable) -> sql.Composed:
        """Place of a geometry on a line: strip after strip, in each from low to high y."""
        x, y = corner(target, geom)
        return sql.SQL(
            "pg_catalog.width_bucket({x}, {strips}) * {span} + (LEAST(GREATEST({y}, {low}), {high}) - {low})"
        ).format(
            x=x, y=y, strips=as_array(self.strips), span=as_float(self.span), low=as_float(self.low), high=as_float(self.high)
        )  # fmt: skip

    def rectangle(self, bound: float, end: float) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax in the layer's CRS of where the corners of the rows of a block lie that begins at `bound`,
        the next one at `end`, if there is one (else infinity); a little more."""
        strip = math.floor(bound / self.span + 1e-12)
        slack = 1e-12 * self.span * (len(self.strips) + 1)
        left = self.strips[strip - 1] if strip > 0 else -FAR
        right = self.strips[strip] if strip < len(self.strips) else FAR
        bottom = bound - strip * self.span + self.low - slack if bound > strip * self.span else -FAR
        top = end - strip * self.span + self.low + slack if end < (strip + 1) * self.span else FAR
        return left, bottom, right, top

    def document(self) -> dict[str, Any]:
        """As JSON for the registry, without `bounds`: those are in the table."""
        return {"strips": list(self.strips), "low": self.low, "high": self.high}


def corner(target: Target, geom: sql.Composable) -> tuple[sql.Composed, sql.Composed]:
    """x and y of the lower left corner of a geometry's box, from the head of the value alone."""
    s = target.sql.shapes.s
    text = "{s}.{edge}(({g})::{s}.box2d::{s}.box3d)"
    return (
        sql.SQL(text).format(s=s, g=geom, edge=sql.SQL("ST_XMin")),
        sql.SQL(text).format(s=s, g=geom, edge=sql.SQL("ST_YMin")),
    )


def read(table: str, document: dict[str, Any]) -> Blocks:
    """Blocks as a build left them."""
    return Blocks(tuple(document["strips"]), document["low"], document["high"], named(table))


def named(table: str) -> sql.Identifier:
    """A table of schema flagstone."""
    return sql.Identifier(own_schema.SCHEMA, table)


def as_float(value: float) -> sql.Composed:
    """A number in a statement."""
    return sql.SQL("{}::pg_catalog.float8").format(sql.Literal(repr(value)))


def as_array(values: Sequence[float]) -> sql.Composed:
    """Numbers in a statement."""
    # As text: a literal list would be parsed number by number.
    return sql.SQL("{}::pg_catalog.float8[]").format(sql.Literal("{" + ",".join(map(repr, values)) + "}"))
