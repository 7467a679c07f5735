"""Attributes that are objects: their keys become attributes of the feature.

ST_AsMVT takes the keys of a jsonb column apart by itself, but leaves out what is nested, and writes a key that is also a
column's name twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from psycopg import sql

from ..layers.column import Column
from .identifier import identifier, text_array


def closed_value(value: sql.Composable) -> sql.Composed:
    """The value as text where it is no object (a list, a number), else NULL."""
    return sql.SQL(
        "CASE WHEN pg_catalog.jsonb_typeof({json}) OPERATOR(pg_catalog.=) 'object' THEN NULL ELSE {value}::pg_catalog.text END"
    ).format(json=_json(value), value=value)


def opened_objects(columns: Sequence[Column], taken: Sequence[str]) -> sql.Composed:
    """One jsonb object with the keys of all columns. A column's name goes before a key, an earlier column before a later.

    What is nested is text, as it is in a column that is not opened. null is left out.
    """
    objects = [_opened(column, taken) for column in columns]
    # Of two equal keys `||` keeps the right one.
    return reduce(lambda before, after: sql.SQL("{} OPERATOR(pg_catalog.||) {}").format(after, before), objects)


def _opened(column: Column, taken: Sequence[str]) -> sql.Composed:
    return sql.SQL(
        "COALESCE((SELECT pg_catalog.jsonb_object_agg(member.key, CASE WHEN pg_catalog.jsonb_typeof(member.value)"
        " OPERATOR(pg_catalog.=) ANY (ARRAY['object', 'array']) THEN pg_catalog.to_jsonb(member.value::pg_catalog.text)"
        " ELSE member.value END) FROM pg_catalog.jsonb_each(CASE WHEN pg_catalog.jsonb_typeof({json})"
        " OPERATOR(pg_catalog.=) 'object' THEN {json} END) AS member (key, value)"
        " WHERE pg_catalog.jsonb_typeof(member.value) OPERATOR(pg_catalog.<>) 'null'"
        " AND member.key OPERATOR(pg_catalog.<>) ALL ({taken}::pg_catalog.text[])), '{{}}'::pg_catalog.jsonb)"
    ).format(json=_json(identifier("candidates", column.name)), taken=text_array(taken))


def _json(value: sql.Composable) -> sql.Composed:
    # Not a cast: hstore has one to json of its own, which to_jsonb finds wherever the extension lives.
    return sql.SQL("pg_catalog.to_jsonb({})").format(value)
