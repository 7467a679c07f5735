"""The layers into a database: each table in one transaction, so that one that is there is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
import shapely
from psycopg import Connection, sql
from rich.progress import Progress

from .rows import Row
from .tables import SCHEMA, ScaleTable

_ROWS_AT_ONCE, _VERTICES_AT_ONCE = 2_000, 200_000
_SRID = 4326


def load(dsn: str, tables: Iterable[ScaleTable], progress: Progress) -> dict[str, int]:
    """Rows of each table. One that was loaded before from the same data is left as it is."""
    counts = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        for table in tables:
            if _mark(connection, table) != table.made_of:
                _load(connection, table, progress)
                # The visibility map, which a table has after some minutes of any real life.
                connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(_name(table)))
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_name(table))).fetchone()
            counts[table.name] = int(row[0]) if row else 0
    return counts


def _name(table: ScaleTable) -> sql.Identifier:
    return sql.Identifier(SCHEMA, table.name)


def _mark(connection: Connection[Any], table: ScaleTable) -> str | None:
    row = connection.execute(
        "SELECT pg_catalog.obj_description(pg_catalog.to_regclass(%s), 'pg_class')",
        [_name(table).as_string()],
    ).fetchone()
    return row[0] if row else None


def _load(connection: Connection[Any], table: ScaleTable, progress: Progress) -> None:
    task = progress.add_task(table.layer, total=table.about)
    name = _name(table)
    columns = [("id", "integer"), *table.columns, ("geom", f"geometry({table.shape}, {_SRID})")]
    definitions = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in columns
    )
    with connection.transaction():
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(name))
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, definitions))
        with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(name)) as copy:
            for rows in _batches(table.rows()):
                geometries = shapely.set_srid([row.geometry for row in rows], _SRID)
                for row, geometry in zip(
                    rows, shapely.to_wkb(geometries, hex=True, include_srid=True), strict=True
                ):
                    copy.write_row((*row.values, geometry))
                progress.advance(task, len(rows))
        progress.update(task, description=f"{table.layer}: key and index")
        # No ordinary table leaves ids and boxes unindexed; both after the rows, which is many times quicker.
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(name))
        connection.execute(sql.SQL("CREATE INDEX ON {} USING gist (geom)").format(name))
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(table.made_of)))
    progress.update(task, description=table.layer, total=progress.tasks[task].completed)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Some rows at a time, heavy ones fewer: what bounds the memory."""
    batch, vertices = list[Row](), 0
    for row in rows:
        batch.append(row)
        vertices += shapely.get_num_coordinates(row.geometry)
        if len(batch) == _ROWS_AT_ONCE or vertices > _VERTICES_AT_ONCE:
            yield batch
            batch, vertices = [], 0
    if batch:
        yield batch
