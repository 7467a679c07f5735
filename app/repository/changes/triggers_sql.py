"""The trigger function of a followed table, and the triggers that call it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from psycopg import Connection, sql

from ..identifier import identifier, text_literal

MOST_BOXES = 64
"""Boxes of one statement; those of more rows are put together by the squares of a raster that they begin in."""
MOST_ROWS = 20_000
"""A statement that changes more rows counts as a change of everything: to look at them all would slow down the writer."""
_STEP_M = 10_000
"""Length of the pieces of an edge on the sphere whose box is taken, metres."""
_BULGE_DEGREES = 0.002
"""By what such a piece may leave the box of its ends: 110 m at 89° north, and less elsewhere."""


class GeometryOf(NamedTuple):
    """A geometry or geography column of the table."""

    name: str
    is_geography: bool


class Trigger(NamedTuple):
    """One of the triggers of a followed table. `bits` are those of pg_trigger.tgtype, `enabled` is tgenabled."""

    name: str
    event: str
    tables: str
    by_row: bool
    bits: int
    enabled: str


_STATEMENTS = (
    ("insert", "INSERT", "REFERENCING NEW TABLE AS flagstone_after", 4),
    ("update", "UPDATE", "REFERENCING OLD TABLE AS flagstone_before NEW TABLE AS flagstone_after", 16),
    ("delete", "DELETE", "REFERENCING OLD TABLE AS flagstone_before", 8),
    ("truncate", "TRUNCATE", "", 32),
)
_ROWS_OF = {
    "INSERT": (("flagstone_after", "NEW"),),
    "UPDATE": (("flagstone_before", "OLD"), ("flagstone_after", "NEW")),
    "DELETE": (("flagstone_before", "OLD"),),
}
"""Of each event: its transition tables, and its rows in a trigger that fires for each row."""


def function_name(relation: int) -> str:
    """Of the function in schema flagstone that a followed table's triggers call."""
    return f"change_{relation}"


def wanted(*, replicated: bool, has_rows: bool) -> Iterator[Trigger]:
    """The triggers that a table has to have.

    What brings changes from another server runs with triggers switched off that are not ENABLE ALWAYS, and its apply
    worker fires none for statements: where `replicated`, there are some for rows beside them, for that worker alone.
    """
    for name, event, tables, bits in _STATEMENTS:
        yield Trigger(f"flagstone_change_{name}", event, tables, False, bits, "A" if replicated else "O")
    if replicated and has_rows:
        yield Trigger("flagstone_change_row", "INSERT OR UPDATE OR DELETE", "", True, 29, "R")


def body_of(connection: Connection[Any], columns: Sequence[GeometryOf], postgis: str) -> str:
    """What the function does of a table with these columns. It has none where the table is only read by views or functions."""
    branches = [
        _BRANCH.format(
            event=sql.Literal(event),
            by_row=_counted(rows, columns, postgis, 1),
            by_statement=_counted(rows, columns, postgis, 0),
        )
        for event, rows in _ROWS_OF.items()
    ]
    return _BODY.format(strange=_strange(columns, postgis), branches=sql.SQL("").join(branches)).as_string(connection)


def function(relation: int, body: str) -> sql.Composed:
    """CREATE FUNCTION with this body."""
    return _FUNCTION.format(name=sql.Identifier("flagstone", function_name(relation)), body=text_literal(body))


def _strange(columns: Sequence[GeometryOf], postgis: str) -> sql.Composable:
    if not columns:
        return sql.SQL("")
    types = {
        name: sql.Literal(sql.Identifier(postgis, name).as_string(None)) for name in ("geometry", "geography")
    }
    return sql.SQL(_STRANGE).format(names=sql.Literal([column.name for column in columns]), **types)


def made(relation: int, schema: str, table: str, trigger: Trigger) -> Iterator[sql.Composed]:
    """Statements that put a trigger on a table that calls function `relation`."""
    there, name = identifier(schema, table), sql.Identifier(trigger.name)
    yield sql.SQL("CREATE TRIGGER {} AFTER {} ON {} {} FOR EACH {} EXECUTE FUNCTION {}()").format(
        name, sql.SQL(trigger.event), there, sql.SQL(trigger.tables), sql.SQL("ROW" if trigger.by_row else "STATEMENT"),
        sql.Identifier("flagstone", function_name(relation)),
    )  # fmt: skip
    if trigger.enabled != "O":
        how = sql.SQL("ALWAYS" if trigger.enabled == "A" else "REPLICA")
        yield sql.SQL("ALTER TABLE {} ENABLE {} TRIGGER {}").format(there, how, name)


def dropped(schema: str, table: str, name: str) -> sql.Composed:
    """The statement that takes a trigger off."""
    return sql.SQL("DROP TRIGGER {} ON {}").format(identifier(name), identifier(schema, table))


_FUNCTION = sql.SQL(
    "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
    " SET search_path = pg_catalog, pg_temp AS {body}"
)
# What goes wrong with a box must not go wrong for the writer: an edge between antipodes, a column that was renamed.
# The types are looked at before anything is done with a value, in a statement of its own: a table's owner may give the column a
# type of his own with a cast to geometry, which would run as whom the function belongs to.
_BODY = sql.SQL("""
DECLARE
    changed_rows bigint;
    changed_boxes float8[];
BEGIN
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            changed_rows := 1;
{strange}{branches}        END IF;
    EXCEPTION WHEN OTHERS THEN
        changed_rows := 1;
        changed_boxes := NULL;
    END;
    IF changed_rows > 0 THEN
        PERFORM flagstone.change_told(TG_RELID, changed_boxes);
    END IF;
    RETURN NULL;
END
""")
_STRANGE = """        ELSIF EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = TG_RELID AND a.attname = ANY ({names})
                AND a.atttypid NOT IN ({geometry}::pg_catalog.regtype, {geography}::pg_catalog.regtype)
        ) THEN
            changed_rows := 1;
"""
_BRANCH = sql.SQL("""        ELSIF TG_OP = {event} AND TG_LEVEL = 'ROW' THEN
{by_row}
        ELSIF TG_OP = {event} THEN
{by_statement}
""")
_COUNTED = sql.SQL("""            SELECT
                count(*),
                CASE
                    WHEN count(*) > {most_rows} THEN NULL
                    WHEN count(*) > {most_boxes} THEN flagstone.change_raster(array_agg(b.box) FILTER (WHERE b.box IS NOT NULL))
                    ELSE coalesce(array_agg(b.box) FILTER (WHERE b.box IS NOT NULL), '{{}}')
                END
            INTO changed_rows, changed_boxes
            FROM (
{rows}
                LIMIT {limit}
            ) AS b;""")
_ROWS = sql.SQL("""                SELECT CASE WHEN g.box IS NOT NULL THEN ARRAY[
                    {s}.ST_XMin(g.box), {s}.ST_YMin(g.box), {s}.ST_XMax(g.box), {s}.ST_YMax(g.box), g.srid
                ] END AS box
                FROM (SELECT {box} AS box, {srid} AS srid FROM {table} AS r OFFSET 0) AS g""")
# On the sphere an edge leaves the box of its ends, and what goes around a pole, or across ±180, has no box at all.
_SPHERE_ROWS = sql.SQL("""                SELECT CASE
                    WHEN g.box IS NULL THEN NULL
                    WHEN {s}.ST_XMax(g.box) - {s}.ST_XMin(g.box) >= 180 THEN ARRAY[-180, -90, 180, 90, 4326]
                    ELSE ARRAY[
                        {s}.ST_XMin(g.box), {s}.ST_YMin(g.box) - g.bulge, {s}.ST_XMax(g.box), {s}.ST_YMax(g.box) + g.bulge, g.srid
                    ]
                END::float8[] AS box
                FROM (
                    SELECT
                        {srid} AS srid,
                        CASE WHEN {s}.ST_Dimension(r.value::{s}.geometry) = 0 THEN 0 ELSE {bulge} END AS bulge,
                        {s}.box3d(({s}.ST_Segmentize(r.value, {step}))::{s}.geometry) AS box
                    FROM {table} AS r
                    OFFSET 0
                ) AS g""")
_WITHOUT = sql.SQL("                SELECT NULL::float8[] AS box FROM {table} AS r")


def _counted(
    rows: Sequence[tuple[str, str]], columns: Sequence[GeometryOf], postgis: str, place: int
) -> sql.Composed:
    """How many rows the statement, or (`place` 1) this row's trigger, saw before and after; and their boxes."""
    parts = [
        _rows(each[place], column, postgis, by_row=bool(place)) for each in rows for column in columns
    ] or [
        _WITHOUT.format(table=sql.SQL("(SELECT 1)") if place else sql.Identifier(each[place]))
        for each in rows
    ]
    return _COUNTED.format(
        most_rows=sql.Literal(MOST_ROWS), most_boxes=sql.Literal(MOST_BOXES), limit=sql.Literal(MOST_ROWS + 1),
        rows=sql.SQL("\n                UNION ALL\n").join(parts),
    )  # fmt: skip


def _rows(table: str, column: GeometryOf, postgis: str, *, by_row: bool) -> sql.Composed:
    s, name = sql.Identifier(postgis), sql.Identifier(column.name)
    there = (
        sql.SQL("(SELECT {}.{} AS value)").format(sql.SQL(table), name) if by_row
        else sql.SQL("(SELECT {} AS value FROM {})").format(name, sql.Identifier(table))
    )  # fmt: skip
    if column.is_geography:
        srid = sql.SQL("{}.ST_SRID(r.value::{}.geometry)").format(s, s)
        return _SPHERE_ROWS.format(
            s=s, table=there, srid=srid, bulge=sql.Literal(_BULGE_DEGREES), step=sql.Literal(_STEP_M)
        )
    # The box in the geometry's header: what is large need not be read whole.
    box = sql.SQL("{s}.box3d({s}.box2d(r.value))").format(s=s)
    return _ROWS.format(s=s, table=there, srid=sql.SQL("{}.ST_SRID(r.value)").format(s), box=box)
