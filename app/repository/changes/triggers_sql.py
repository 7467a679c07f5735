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
    "UPDATE": (("flagstone_before", "OLD"), ("flagstone_after", "NEW")),
    "INSERT": (("flagstone_after", "NEW"),),
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
    levels = [
        sql.SQL("\n                ELSIF").join(
            _EVENT.format(event=sql.Literal(event), counted=_counted(rows, columns, postgis, place))
            for event, rows in _ROWS_OF.items()
        )
        for place in (0, 1)
    ]
    return _BODY.format(
        by_statement=levels[0], by_row=levels[1], most_rows=sql.Literal(MOST_ROWS), most_boxes=sql.Literal(MOST_BOXES)
    ).as_string(connection)


def function(relation: int, body: str) -> sql.Composed:
    """CREATE FUNCTION with this body."""
    return _FUNCTION.format(name=sql.Identifier("flagstone", function_name(relation)), body=text_literal(body))


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
# Each expression takes its time from every writer: what most of them need comes first.
_BODY = sql.SQL("""
DECLARE
    changed_rows bigint;
    changed_boxes float8[];
BEGIN
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            changed_rows := 1;
        ELSE
            IF TG_LEVEL = 'STATEMENT' THEN
                IF {by_statement}
                END IF;
            ELSE
                IF {by_row}
                END IF;
            END IF;
            IF changed_rows > {most_boxes} THEN
                changed_boxes := CASE WHEN changed_rows <= {most_rows} THEN flagstone.change_raster(changed_boxes) END;
            ELSIF changed_boxes IS NULL THEN
                changed_boxes := '{{}}';
            END IF;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        changed_rows := 1;
        changed_boxes := NULL;
    END;
    IF changed_rows > 0 THEN
        -- As flagstone.change_told does.
        IF current_setting('flagstone.changes_' || TG_RELID, true) IS DISTINCT FROM pg_current_xact_id()::text || ':all' THEN
            INSERT INTO flagstone.change (relation, boxes) VALUES (TG_RELID, changed_boxes);
            IF random() < 0.01 THEN
                PERFORM flagstone.change_counted(TG_RELID);
            END IF;
        END IF;
    END IF;
    RETURN NULL;
END
""")
_EVENT = sql.SQL(""" TG_OP = {event} THEN
{counted}""")
_COUNTED = sql.SQL("""            SELECT count(*), array_agg(b.box) FILTER (WHERE b.box IS NOT NULL)
            INTO changed_rows, changed_boxes
            FROM (
{rows}
                LIMIT {limit}
            ) AS b;""")
_ROWS = sql.SQL("""                SELECT CASE WHEN g.box IS NOT NULL THEN ARRAY[
                    {s}.ST_XMin(g.box), {s}.ST_YMin(g.box), {s}.ST_XMax(g.box), {s}.ST_YMax(g.box), g.srid
                ] END AS box
                FROM (
                    SELECT {s}.box3d({s}.box2d(r.value)) AS box, {s}.ST_SRID(r.value) AS srid
                    FROM ({values}) AS r
                    OFFSET 0
                ) AS g""")
"""The box in the geometry's header: what is large need not be read whole."""
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
                        {s}.ST_SRID(r.value::{s}.geometry) AS srid,
                        CASE WHEN {s}.ST_Dimension(r.value::{s}.geometry) = 0 THEN 0 ELSE {bulge} END AS bulge,
                        {s}.box3d(({s}.ST_Segmentize(r.value, {step}))::{s}.geometry) AS box
                    FROM ({values}) AS r
                    OFFSET 0
                ) AS g""")
_WITHOUT = sql.SQL("                SELECT NULL::float8[] AS box FROM {table} AS r")


def _counted(
    rows: Sequence[tuple[str, str]], columns: Sequence[GeometryOf], postgis: str, place: int
) -> sql.Composed:
    """How many rows the statement, or (`place` 1) this row's trigger, saw before and after; and their boxes."""
    tables = [each[place] for each in rows]
    # Those of one type in one list: what is done with it then costs once.
    parts = [
        _rows(tables, alike, postgis, by_row=bool(place))
        for is_geography in (False, True)
        if (alike := [column for column in columns if column.is_geography is is_geography])
    ] or [
        _WITHOUT.format(table=sql.SQL("(SELECT 1)") if place else sql.Identifier(table)) for table in tables
    ]
    return _COUNTED.format(
        limit=sql.Literal(MOST_ROWS + 1), rows=sql.SQL("\n                UNION ALL\n").join(parts)
    )


def _rows(tables: Sequence[str], columns: Sequence[GeometryOf], postgis: str, *, by_row: bool) -> sql.Composed:
    """The box of each value of columns of one type."""
    s = sql.Identifier(postgis)
    values = sql.SQL(" UNION ALL ").join(
        _value(table, column, s, by_row=by_row) for table in tables for column in columns
    )
    if columns[0].is_geography:
        return _SPHERE_ROWS.format(s=s, values=values, bulge=sql.Literal(_BULGE_DEGREES), step=sql.Literal(_STEP_M))
    return _ROWS.format(s=s, values=values)


def _value(table: str, column: GeometryOf, s: sql.Identifier, *, by_row: bool) -> sql.Composed:
    # A table's owner may give the column a type of his own with a cast to geometry, which would run as whom the function
    # belongs to, and be planned as him: `change_value` takes no value of another type.
    kind = sql.SQL("NULL::{}.{}").format(s, sql.Identifier("geography" if column.is_geography else "geometry"))
    name = sql.Identifier(column.name)
    if by_row:
        return sql.SQL("SELECT flagstone.change_value({}.{}, {}) AS value").format(sql.SQL(table), name, kind)
    return sql.SQL("SELECT flagstone.change_value({}, {}) AS value FROM {}").format(name, kind, sql.Identifier(table))
