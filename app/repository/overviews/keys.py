"""Whether the key of a layer tells its rows apart: what is stored of a row is found again by that alone."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql
from psycopg.errors import AmbiguousFunction, UndefinedFunction

from ...errors import ConfigurationError, OverviewError
from ...layers.overview import key_of, stored_columns
from ...layers.relation import RelationLayer
from ..identifier import identifier
from ..pool import Pool

_TYPES = (
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = %s AND a.attname = ANY (%s) AND NOT a.attisdropped"
)


_OURS = "flagstone~"


def refuse(pool: Pool, layer: RelationLayer) -> None:
    """ConfigurationError for a layer with names of ours, without a key, or with one whose values PostgreSQL's own `=` cannot compare."""
    ours = sorted(name for name in stored_columns(layer) if name.startswith(_OURS))
    if ours:
        raise ConfigurationError(f"Layer {layer.id} has a column {ours[0]}: names that begin so are what overviews call their own.")
    key = key_of(layer)
    if not key:
        raise ConfigurationError(
            f"Layer {layer.id} has no key that tells its rows apart: rows that change could not be found again. Add a primary"
            f' key or a unique index over columns that are never null, or name such a column as id in the layers file: [layers."{layer.id}"] id = "column".'
        )
    with pool.borrowed(f"the key of {layer.id}") as connection, pool.transaction(connection):
        # Types of others are named with their schema then.
        connection.execute("SET LOCAL search_path = pg_catalog")
        for name, kind in connection.execute(_TYPES, [layer.oid, list(key)]).fetchall():
            # The type is as PostgreSQL itself writes it.
            compared = sql.SQL("SELECT NULL::{0} OPERATOR(pg_catalog.=) NULL::{0}").format(sql.SQL(kind))
            try:
                connection.execute(compared)
            except (UndefinedFunction, AmbiguousFunction) as error:
                raise ConfigurationError(
                    f"The key of layer {layer.id} cannot be used for an overview: {name} is {kind}, whose values PostgreSQL's own `="
                    " cannot compare. A primary key of another type can be, or a column of one that is id in the layers file."
                ) from error


def tell_apart(connection: Connection[Any], layer: RelationLayer, chosen: sql.Composable | None) -> None:
    """Make sure that the key tells the rows of now apart, where nothing in the database does; OverviewError with the number
    of those that it does not. `chosen` is the filter that always applies to the alias `source`. It may read all rows."""
    key = key_of(layer)
    if key == layer.key and layer.key_is_never_null:
        return
    names = sql.SQL(", ").join(map(identifier, key))
    lacks = sql.SQL(" OR ").join(sql.SQL("{} IS NULL").format(identifier(name)) for name in key)
    row = connection.execute(
        sql.SQL(
            "WITH keys AS NOT MATERIALIZED (SELECT {names} FROM {table} AS source WHERE {chosen})"
            " SELECT (SELECT count(*) FROM keys WHERE {lacks}), {repeated}"
        ).format(
            names=names, table=identifier(layer.schema, layer.name), chosen=chosen or sql.SQL("true"), lacks=lacks,
            # A unique index has seen to that.
            repeated=sql.SQL("0") if key == layer.key else sql.SQL(
                "(SELECT COALESCE(sum(many.n), 0)::int8 FROM (SELECT count(*) AS n FROM keys WHERE NOT ({}) GROUP BY {} HAVING count(*) > 1) AS many)"
            ).format(lacks, names),
        )
    ).fetchone()  # fmt: skip
    nulls, repeated = row or (0, 0)
    named = ", ".join(key)
    if nulls:
        said = f"{_rows(nulls)} NULL in {named}"
    elif repeated:
        said = f"{_rows(repeated)} repeated values in {named}"
    else:
        return
    raise OverviewError(
        f"The overview of {layer.id}: {said}, which has to tell its rows apart. Leave such rows out, or name another column as"
        f' id in the layers file: [layers."{layer.id}"] id = "column".'
    )


def _rows(number: int) -> str:
    return "1 row has" if number == 1 else f"{number:,} rows have"
