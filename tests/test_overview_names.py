"""Overviews of what has odd names: quotes, percent signs, braces, in two schemas, for roles called so too."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from app import create_app
from app.layers.how import How
from app.layers.identity import Identity
from app.layers.tile import Tile
from app.settings import Settings
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import attributes_of, entry_as, run

WORLD = Tile(0, 0, 0)
WEB, ODD = "flagstone_web", "flagstone_o\"d %s'{}"
QUOTED = '"' + ODD.replace('"', '""') + '"'
SCHEMA, TABLE, KEY, GEOMETRY = '"sch""ema %s\'{0}"', '"to""wns %%(x)s\'{a}"', '"k""ey %s"', '"ge""om 50%"'
PLAIN_TABLE = TABLE[1:-1].replace('""', '"')
LAYERS = {
    schema: (
        f"CREATE TABLE {schema}.{TABLE} ({KEY} int PRIMARY KEY, \"na%me\" text, \"sec\"\"ret\" text, {GEOMETRY} geometry(Polygon, 3857))",
        f"INSERT INTO {schema}.{TABLE} SELECT n, '{name}', 'x', ST_Buffer(ST_SetSRID(ST_MakePoint(n * 1e6, 5e5), 3857),"
        " CASE n WHEN 4 THEN 3e6 ELSE 1e5 END, 400) FROM generate_series(1, 4) AS n",
    )
    for schema, name in ((SCHEMA, "odd"), ("public", "plain"))
}  # fmt: skip


@pytest.mark.parametrize("secured", [False, True])
def test_odd_names_have_overviews_and_each_role_exactly_its_own(
    database: str, login: Login, make_app: MakeApp, secured: bool
) -> None:
    run(database, f"CREATE SCHEMA {SCHEMA}", *LAYERS[SCHEMA], *LAYERS["public"])
    login(database, ODD, f"GRANT USAGE ON SCHEMA {SCHEMA} TO {QUOTED}", f'GRANT SELECT ({KEY}, "na%me", {GEOMETRY}) ON {SCHEMA}.{TABLE} TO {QUOTED}')
    web = login(
        database, WEB, f"GRANT SELECT ON public.{TABLE} TO {WEB}", f"GRANT {QUOTED} TO {WEB}",
        f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {QUOTED}", attributes="NOINHERIT",
    )  # fmt: skip
    if secured:
        for schema, name in ((SCHEMA, "odd"), ("public", "plain")):
            run(
                database, f"ALTER TABLE {schema}.{TABLE} ENABLE ROW LEVEL SECURITY",
                f"CREATE POLICY own ON {schema}.{TABLE} USING (\"na%me\" = '{name}' AND {KEY} > 1)",
            )  # fmt: skip
    rows = 3 if secured else 4
    found = {layer.schema: layer.id for layer in catalog_of(web).relations}
    assert len(found) == 2
    numbers = [
        overview(web, layer, range(5), pieces=not secured, FLAGSTONE_ADMIN_DATABASE_URL=database) for layer in found.values()
    ]
    assert catalog_of(web).overview_faults == {}
    app = make_app(web)
    for schema, layer in found.items():
        is_plain = schema == "public"
        for tile in (WORLD, Tile(4, 8, 7), Tile(6, 35, 31)):
            entry = entry_as(app, layer, None if is_plain else ODD, tile)
            if tile.z < 5:
                assert entry.how == How.OVERVIEW, (schema, tile)
            seen = attributes_of(entry)
            assert {each["na%me"] for each in seen} == {"plain" if is_plain else "odd"}
            assert all(("sec\"ret" in each) == is_plain for each in seen)
            if tile == WORLD:
                assert sum(each.get("feature_count", 1) for each in seen) == rows
    assert catalog_of(web).find(found["public"], Identity(role=ODD)) is None
    with psycopg.connect(database) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(ODD)))
        for number, schema in zip(numbers, found, strict=True):
            asked = sql.SQL("SELECT count({}) FROM flagstone.{}").format(
                sql.Identifier(KEY[1:-1].replace('""', '"')), sql.Identifier(f"overview_{number}_z4")
            )
            if schema == "public":
                with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                    connection.execute(asked)
            else:
                row = connection.execute(asked).fetchone()
                assert row is not None and row[0] >= rows
    commands = create_app(Settings.of(DATABASE_URL=web, FLAGSTONE_ADMIN_DATABASE_URL=database))
    with closing(commands.extensions["flagstone"]):
        for asked_for in ("refresh", "status", "drop"):
            done = commands.test_cli_runner().invoke(args=["overviews", asked_for, found["public"]])
            assert done.exit_code == 0, done.output
    assert [bool(layer.overviews) for layer in catalog_of(web).relations if layer.schema == "public"] == [False]
    assert [bool(layer.overviews) for layer in catalog_of(web).relations if layer.schema != "public"] == [True]
