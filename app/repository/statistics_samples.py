"""Samples of layers in schema `flagstone`: a build keeps what it planned by, and the next plan reads that.

A sample is believed for a day, as long as the layer's definition is the same and its table about as large.
"""

from __future__ import annotations

import zlib
from array import array
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from ..layers.overview_definition import definition
from ..layers.overview_sample import Attribute, Sample, SampledRow
from . import own_schema
from .overviews.target import Target
from .statements import statement

_DAYS = 1
_GROWTH = 0.05
"""Part of its bytes by which a table may grow or shrink."""
_FIELDS = 4
_HEAVY = ("heavy_rows", "heavy_bytes", "heavy_vertices")


def kept(connection: Connection[Any], target: Target, table_bytes: int) -> Sample | None:
    """The sample of the layer as it is now; None where there is none, or the login may not read it."""
    if not own_schema.readable(connection, "layer_sample"):
        return None
    row = connection.execute(
        "SELECT facts, rows FROM flagstone.layer_sample WHERE definition = %s AND taken > now() - make_interval(days => %s)"
        " AND abs(table_bytes - %s) <= %s",
        [definition(target.layer, target.grid.key), _DAYS, table_bytes, table_bytes * _GROWTH],
    ).fetchone()
    if row is None:
        return None
    facts, rows = row
    attributes = tuple(Attribute(*each) for each in facts["attributes"])
    return Sample(
        _rows(rows), facts["table_rows"], attributes, table_bytes, *(facts[name] for name in _HEAVY)
    )


def keep(connection: Connection[Any], target: Target, sample: Sample) -> None:
    """Keep the sample of a table for the next plan. Schema `flagstone` must be there; views have no size to judge it by."""
    if target.layer.kind not in "rmp":
        return
    facts = {
        "table_rows": sample.table_rows,
        "attributes": sample.attributes,
        **{name: getattr(sample, name) for name in _HEAVY},
    }
    with connection.transaction():
        own_schema.alone(connection)
        with own_schema.only_ours(connection, "layer_sample"):
            connection.execute(statement("layer_samples"), prepare=False)
        connection.execute(
            "DELETE FROM flagstone.layer_sample WHERE relation NOT IN (SELECT oid FROM pg_class)"
        )
        connection.execute(
            "INSERT INTO flagstone.layer_sample (definition, relation, table_bytes, facts, rows) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (definition) DO UPDATE SET taken = now(), table_bytes = EXCLUDED.table_bytes, facts = EXCLUDED.facts,"
            " rows = EXCLUDED.rows",
            [
                definition(target.layer, target.grid.key),
                target.layer.oid,
                sample.table_bytes,
                Jsonb(facts),
                _packed(sample),
            ],
        )


def _packed(sample: Sample) -> bytes:
    """Four single-precision numbers a row, which is near enough to plan by; the vertices of a point are negative, and
    those of a line half a vertex more."""
    numbers = array("f")
    for row in sample.rows:
        points = -row.points if row.is_point else row.points + row.is_line / 2
        numbers.extend((row.x, row.y, row.width, points))
    return zlib.compress(numbers.tobytes(), 1)


def _rows(packed: bytes) -> tuple[SampledRow, ...]:
    numbers = array("f")
    numbers.frombytes(zlib.decompress(packed))
    places = range(0, len(numbers), _FIELDS)
    return tuple(
        SampledRow(
            numbers[at], numbers[at + 1], numbers[at + 2], abs(int(numbers[at + 3])), numbers[at + 3] < 0, numbers[at + 3] % 1 > 0
        )
        for at in places
    )
