"""What schema `flagstone` says of overviews: the rows that a build writes, each with the tables that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import UndefinedColumn
from psycopg.types.json import Jsonb

from ...layers.overview import Band, BandPlan, has_row_security, variant
from ...layers.overview_definition import definition
from ...layers.relation import RelationLayer
from .. import own_schema
from ..identifier import identifier
from ..statements import statement

_COLUMNS = (
    "SELECT o.id, o.relation, o.schema_name, o.table_name, o.geometry_column, o.grid, o.grid_key, o.definition, o.build,"
    " o.complete,"
    " o.single_rows, o.started, o.refreshed, o.document, b.overview, b.kind, b.zoom, b.relation, b.table_name, b.small_pixels,"
    " b.cell_pixels, b.pixel, b.in_pieces, b.rows FROM flagstone.overview o, flagstone.overview_band b LIMIT 0"
)
"""What an older Flagstone may have laid out without."""
_OURS = (
    "SELECT c.relname FROM flagstone.overview_band b JOIN pg_class c ON c.relname = b.table_name"
    " AND c.relnamespace = 'flagstone'::regnamespace AND c.relkind = 'r' WHERE b.overview = %s"
    # A dump and its restore give other numbers.
    " AND (c.oid = b.relation OR obj_description(c.oid, 'pg_class') LIKE 'Flagstone: %%')"
)
"""Tables of an overview; not what somebody made under the name of one that was dropped."""


def prepare(connection: Connection[Any], login: str) -> None:
    """The schema with the tables of this module, readable for the login that serves. In a transaction of the caller."""
    own_schema.prepare(connection)
    with own_schema.only_ours(connection, "overview", "overview_id_seq", "overview_band"):
        connection.execute(statement("overview_tables"), prepare=False)
    connection.execute("REVOKE ALL ON flagstone.overview, flagstone.overview_band FROM PUBLIC")
    try:
        with connection.transaction():
            connection.execute(_COLUMNS)
    except UndefinedColumn:
        connection.execute(statement("overview_columns"), prepare=False)
    role = identifier(login)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA flagstone TO {}").format(role))
    connection.execute(sql.SQL("GRANT SELECT ON flagstone.overview, flagstone.overview_band TO {}").format(role))


def add(connection: Connection[Any], layer: RelationLayer, grid_id: str, grid_key: str, document: dict[str, Any]) -> int:
    """A new overview without bands; gives its number."""
    chosen = layer.options.overview_filter
    if chosen is not None:
        document = {**document, "filter": chosen.text, "variant": variant(layer)}
    row = connection.execute(
        "INSERT INTO flagstone.overview (relation, schema_name, table_name, geometry_column, grid, grid_key, definition,"
        " single_rows, document) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        [layer.oid, layer.schema, layer.name, layer.geometry.name, grid_id, grid_key, definition(layer, grid_key),
         has_row_security(layer), Jsonb(document)],
    ).fetchone()  # fmt: skip
    return int(row[0]) if row else 0


def add_table(
    connection: Connection[Any], overview: int, kind: str, table: str, plan: BandPlan | None, *, in_pieces: bool, rows: int
) -> None:
    """One table of an overview: `kind` is band, pieces or blocks."""
    values = (None, None, None, None) if plan is None else (plan.zoom, plan.small_pixels, plan.cell_pixels, plan.pixel)
    connection.execute(
        "INSERT INTO flagstone.overview_band (overview, kind, relation, table_name, zoom, small_pixels, cell_pixels, pixel,"
        " in_pieces, rows) VALUES (%s, %s, %s::regclass, %s, %s, %s, %s, %s, %s, %s)",
        [overview, kind, f'flagstone."{table}"', table, *values, in_pieces, rows],
    )
    touch(connection, overview)


def touch(connection: Connection[Any], overview: int) -> None:
    """A new name for what its bands hold now: tiles that were kept before are not found any more."""
    connection.execute(
        "UPDATE flagstone.overview SET build = md5(random()::text || clock_timestamp()::text) WHERE id = %s", [overview]
    )


def complete(connection: Connection[Any], overview: int) -> None:
    """All of its tables are there.

    From now on a tile reads some thousand rows of them: to start a second process for that takes longer (24 of 41 ms).
    """
    tables = connection.execute(
        "SELECT table_name FROM flagstone.overview_band WHERE overview = %s AND kind <> 'blocks'", [overview]
    )
    for (table,) in tables.fetchall():
        connection.execute(sql.SQL("ALTER TABLE flagstone.{} SET (parallel_workers = 0)").format(sql.Identifier(table)))
    connection.execute("UPDATE flagstone.overview SET complete = true WHERE id = %s", [overview])
    touch(connection, overview)


def drop(connection: Connection[Any], overview: int) -> None:
    """Its tables and all that is known of them. In a transaction of the caller."""
    tables = connection.execute(_OURS, [overview]).fetchall()
    for (table,) in tables:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS flagstone.{}").format(identifier(table)))
    connection.execute("DELETE FROM flagstone.overview WHERE id = %s", [overview])


def others(connection: Connection[Any], layer: RelationLayer, grid_key: str, newest: int) -> list[int]:
    """Numbers of the overviews of a layer and grid, for the same further condition, beside the newest one."""
    rows = connection.execute(
        "SELECT id FROM flagstone.overview WHERE relation = %s AND geometry_column = %s AND grid_key = %s AND id <> %s"
        " AND COALESCE(document ->> 'variant', '') = %s",
        [layer.oid, layer.geometry.name, grid_key, newest, variant(layer)],
    )
    return [number for (number,) in rows]


def note(connection: Connection[Any], overview: int, what: str, measured: dict[str, Any]) -> None:
    """Write down what a build measured of one of its tables."""
    connection.execute(
        "UPDATE flagstone.overview SET document = jsonb_set(document, '{measured}',"
        " COALESCE(document -> 'measured', '{}') || jsonb_build_object(%s::text, %s::jsonb)) WHERE id = %s",
        [what, Jsonb(measured), overview],
    )


def has_pieces(connection: Connection[Any], overview: int) -> bool:
    """Whether the heavy polygons are stored in pieces already."""
    found = connection.execute("SELECT FROM flagstone.overview_band WHERE overview = %s AND kind = 'pieces'", [overview])
    return found.fetchone() is not None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An overview that a build left before its end: its number, what it wrote down, and the bands that are there."""

    number: int
    document: dict[str, Any]
    bands: dict[int, Band]


def unfinished(connection: Connection[Any], layer: RelationLayer, grid_key: str, *, again: bool = False) -> Unfinished | None:
    """The newest overview of the layer as it is now that was left before its end; None where there is none, or no Flagstone
    built anything here. With `again` one that was begun beside a whole one. Not where a whole one holds younger rows."""
    if not is_there(connection):
        return None
    row = connection.execute(
        "SELECT id, document FROM flagstone.overview AS o WHERE relation = %s AND geometry_column = %s AND grid_key = %s"
        " AND definition = %s AND NOT complete AND (NOT %s OR document ? 'again') AND NOT EXISTS (SELECT"
        " FROM flagstone.overview AS whole"
        " WHERE (whole.relation, whole.geometry_column, whole.grid_key, whole.definition) = (o.relation, o.geometry_column,"
        " o.grid_key, o.definition)"
        " AND whole.complete AND GREATEST(whole.started, whole.refreshed) > o.started) ORDER BY id DESC LIMIT 1",
        [layer.oid, layer.geometry.name, grid_key, definition(layer, grid_key), again],
    ).fetchone()
    if row is None:
        return None
    bands = connection.execute(
        "SELECT b.zoom, b.pixel, b.small_pixels, b.cell_pixels, b.table_name, b.relation, b.in_pieces, b.rows"
        " FROM flagstone.overview_band b JOIN pg_class c ON c.oid = b.relation AND c.relname = b.table_name"
        " AND c.relnamespace = 'flagstone'::regnamespace WHERE b.overview = %s AND b.kind = 'band'",
        [row[0]],
    )
    made = {
        zoom: Band(BandPlan(zoom, pixel, small, cell), name, oid, in_pieces, rows)
        for zoom, pixel, small, cell, name, oid, in_pieces, rows in bands
    }
    return Unfinished(int(row[0]), row[1], made)


def is_there(connection: Connection[Any]) -> bool:
    """Whether any Flagstone ever built an overview in this database."""
    return own_schema.has_table(connection, "overview_band")


def whole(connection: Connection[Any], layer: RelationLayer, grid_key: str) -> int | None:
    """The whole overview of the layer as it is now, with all its tables; None where there is none."""
    if not is_there(connection):
        return None
    row = connection.execute(
        "SELECT max(o.id) FROM flagstone.overview o WHERE o.relation = %s AND o.geometry_column = %s AND o.grid_key = %s"
        " AND o.definition = %s AND o.complete AND NOT EXISTS (SELECT FROM flagstone.overview_band b WHERE b.overview = o.id"
        " AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = b.relation AND c.relname = b.table_name"
        " AND c.relnamespace = 'flagstone'::regnamespace))",
        [layer.oid, layer.geometry.name, grid_key, definition(layer, grid_key)],
    ).fetchone()
    return row[0] if row else None


def remember(connection: Connection[Any], overview: int, what: str, said: dict[str, Any]) -> None:
    """Write into the overview's document what later builds and refreshes go by."""
    connection.execute(
        "UPDATE flagstone.overview SET document = document || jsonb_build_object(%s::text, %s::jsonb) WHERE id = %s",
        [what, Jsonb(said), overview],
    )


def remembered(connection: Connection[Any], overview: int, what: str) -> dict[str, Any] | None:
    """What `remember` wrote; None where nothing was."""
    row = connection.execute("SELECT document -> %s::text FROM flagstone.overview WHERE id = %s", [what, overview]).fetchone()
    return row[0] if row else None


def refreshed(connection: Connection[Any], overview: int) -> None:
    """It holds what its table holds now."""
    connection.execute("UPDATE flagstone.overview SET refreshed = now() WHERE id = %s", [overview])


def counted(connection: Connection[Any], overview: int, table: str, difference: int, *, in_pieces: bool) -> None:
    """A table of it has that many rows more."""
    connection.execute(
        "UPDATE flagstone.overview_band SET rows = rows + %s, in_pieces = in_pieces OR %s WHERE overview = %s"
        " AND table_name = %s",
        [difference, in_pieces, overview, table],
    )


def tables(connection: Connection[Any], overview: int) -> list[tuple[str, Band]]:
    """Its tables that are there, with their kind: band, pieces or blocks; bands from the finest to the coarsest."""
    rows = connection.execute(
        "SELECT b.kind, b.zoom, b.pixel, b.small_pixels, b.cell_pixels, b.table_name, b.relation, b.in_pieces, b.rows"
        " FROM flagstone.overview_band b JOIN pg_class c ON c.oid = b.relation AND c.relname = b.table_name"
        " AND c.relnamespace = 'flagstone'::regnamespace WHERE b.overview = %s ORDER BY b.zoom DESC",
        [overview],
    )
    return [
        (kind, Band(BandPlan(-1 if zoom is None else zoom, pixel or 0.0, small or 1, cell or 1), name, oid, in_pieces, count))
        for kind, zoom, pixel, small, cell, name, oid, in_pieces, count in rows
    ]


def newest(connection: Connection[Any], layer: RelationLayer, grid_key: str) -> tuple[int, dict[str, Any], str | None] | None:
    """The overview of a layer that a refresh is about: number, document, and why it has to be built anew, if so. A whole one
    goes first. None where there is none."""
    if not is_there(connection):
        return None
    row = connection.execute(
        "SELECT id, document, complete, definition, EXISTS (SELECT FROM flagstone.overview_band b WHERE b.overview = o.id"
        " AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = b.relation AND c.relname = b.table_name"
        " AND c.relnamespace = 'flagstone'::regnamespace))"
        " FROM flagstone.overview o WHERE relation = %s AND geometry_column = %s AND grid_key = %s"
        " AND COALESCE(document ->> 'variant', '') = %s ORDER BY complete DESC, id DESC LIMIT 1",
        [layer.oid, layer.geometry.name, grid_key, variant(layer)],
    ).fetchone()
    if row is None:
        return None
    number, document, complete_, built_for, lacks_table = row
    reason = None
    if not complete_:
        reason = "its build was interrupted"
    elif built_for != definition(layer, grid_key):
        reason = "the layer's table, columns, key, filter or rank changed"
    elif lacks_table:
        reason = "a table of it was dropped"
    return number, document, reason
