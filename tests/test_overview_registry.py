"""What schema `flagstone` says of overviews: who may know it, what an older one lacks, and what of it may be dropped."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import psycopg
import pytest

from app import create_app
from app.layers.how import How
from app.layers.tile import Tile
from app.repository.overviews import registry
from app.repository.overviews.administering import administering
from app.repository.overviews.status import Account
from app.settings import Settings
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import entry_as, run

WORLD = Tile(0, 0, 0)
WEB, BEN = "flagstone_web", "flagstone_ben"
TOWNS = (
    "CREATE TABLE public.towns (id int PRIMARY KEY, name text, geom geometry(Point, 4326))",
    "INSERT INTO public.towns SELECT n, 'town', ST_SetSRID(ST_MakePoint(9 + n * 0.001, 47), 4326) FROM generate_series(1, 100) AS n",
)


@pytest.fixture
def towns(database: str) -> str:
    run(database, *TOWNS)
    return database


def command(dsn: str, *arguments: str, **settings: str) -> tuple[int, str]:
    app = create_app(Settings.of(DATABASE_URL=dsn, **settings))
    with closing(app.extensions["flagstone"]):
        done = app.test_cli_runner().invoke(args=["overviews", *arguments])
    return done.exit_code, done.output


def test_a_login_without_rights_in_our_schema_plans_from_the_table(towns: str, login: Login) -> None:
    run(towns, "ALTER TABLE public.towns DROP CONSTRAINT towns_pkey, ADD PRIMARY KEY (id)")
    overview(towns, "public.towns", range(2))
    run(towns, "CREATE TABLE IF NOT EXISTS flagstone.layer_sample (definition text)")
    ben = login(towns, BEN, f"GRANT SELECT ON public.towns TO {BEN}")
    code, said = command(ben, "plan", "public.towns", "--format", "json")
    assert (code, json.loads(said)[0]["rows"]) == (0, 100), said


@pytest.mark.parametrize("arguments", [("status",), ("build", "public.towns"), ("refresh", "public.towns")])
def test_a_login_without_rights_in_our_schema_is_told_which_login_has_them(
    towns: str, login: Login, arguments: tuple[str, ...]
) -> None:
    overview(towns, "public.towns", range(2))
    ben = login(towns, BEN, f"GRANT SELECT ON public.towns TO {BEN}")
    code, said = command(ben, *arguments)
    assert code == 1
    assert "FLAGSTONE_ADMIN_DATABASE_URL names a login that may" in said


def test_a_login_that_may_not_read_the_samples_plans_from_the_table(towns: str, login: Login) -> None:
    overview(towns, "public.towns", range(2))
    run(towns, "CREATE TABLE flagstone.layer_sample (definition text)")
    ben = login(towns, BEN, f"GRANT SELECT ON public.towns TO {BEN}", f"GRANT USAGE ON SCHEMA flagstone TO {BEN}")
    assert command(ben, "plan", "public.towns")[0] == 0


def test_a_registry_of_an_older_flagstone_serves_no_overview_and_says_what_to_do(
    towns: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    number = overview(towns, "public.towns", range(2))
    run(towns, "ALTER TABLE flagstone.overview DROP COLUMN single_rows, DROP COLUMN refreshed")
    catalog = catalog_of(towns)
    assert [layer.id for layer in catalog.layers] == ["public.towns"]
    assert [notice for notice in catalog.notices if "`flask overviews build" in notice]
    assert entry_as(make_app(towns), "public.towns", None, WORLD).how == How.FULL
    # And doing that helps.
    newer = overview(towns, "public.towns", range(2))
    assert newer > number
    assert entry_as(make_app(towns), "public.towns", None, WORLD).how == How.OVERVIEW
    assert command(towns, "status")[0] == 0


def test_something_else_in_the_place_of_the_registry_leaves_the_catalog_whole(towns: str) -> None:
    run(
        towns, "CREATE SCHEMA flagstone", "CREATE VIEW flagstone.overview AS SELECT 1 / (random() * 0)::int AS id",
        "CREATE TABLE flagstone.overview_band (overview text)",
    )  # fmt: skip
    catalog = catalog_of(towns)
    assert [layer.id for layer in catalog.layers] == ["public.towns"]


def test_privileges_given_by_default_do_not_reach_the_registry_the_samples_or_the_schema(
    towns: str, login: Login
) -> None:
    login(towns, BEN)
    web = login(towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}")
    run(
        towns, f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {BEN}", f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {BEN}",
        f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {BEN}, PUBLIC",
        "INSERT INTO public.towns SELECT n, 'town', ST_SetSRID(ST_MakePoint(random() * 300 - 150, random() * 120 - 60), 4326)"
        " FROM generate_series(1000, 30000) AS n",
    )  # fmt: skip
    code, said = command(web, "build", "public.towns", FLAGSTONE_ADMIN_DATABASE_URL=towns)
    assert code == 0, said
    with psycopg.connect(towns) as connection:
        found = connection.execute(
            "SELECT c.relname FROM pg_class c, aclexplode(c.relacl) AS x WHERE c.relnamespace = 'flagstone'::regnamespace"
            " AND x.grantee = (SELECT oid FROM pg_roles WHERE rolname = %s)",
            [BEN],
        ).fetchall()
        assert found == []
        assert connection.execute("SELECT to_regclass('flagstone.layer_sample') IS NOT NULL").fetchone() == (True,)
        rights = "has_schema_privilege(%s, 'flagstone', 'USAGE'), has_schema_privilege(%s, 'flagstone', 'CREATE')"
        assert connection.execute(f"SELECT {rights}".encode(), [BEN, BEN]).fetchone() == (False, False)


def test_two_logins_that_serve_both_keep_what_they_may_read_of_the_registry(towns: str, login: Login) -> None:
    both = [
        login(towns, role, f"GRANT SELECT ON public.towns TO {role}") for role in (WEB, BEN)
    ]
    for web in both:
        overview(web, "public.towns", range(2), FLAGSTONE_ADMIN_DATABASE_URL=towns)
    for web in both:
        [layer] = catalog_of(web).relations
        assert layer.overviews, web


def test_a_table_made_under_the_name_of_a_dropped_band_is_not_dropped(towns: str) -> None:
    number = overview(towns, "public.towns", range(2))
    table = f"flagstone.overview_{number}_z0"
    run(towns, f"DROP TABLE {table}", f"CREATE TABLE {table} AS SELECT 'mine' AS whose")
    catalog = catalog_of(towns)
    assert [sorted(each.bands) for layer in catalog.relations for each in layer.overviews] == [[1]]
    given = Settings.of(DATABASE_URL=towns)
    with administering(given) as connection, connection.transaction():
        registry.drop(connection, number)
    with psycopg.connect(towns) as connection:
        assert connection.execute(f"SELECT whose FROM {table}".encode()).fetchone() == ("mine",)
        assert connection.execute("SELECT count(*) FROM flagstone.overview").fetchone() == (0,)
        left = connection.execute("SELECT relname FROM pg_class WHERE relname ~ %s AND relkind = 'r'", [f"^overview_{number}_"])
        assert left.fetchall() == [(f"overview_{number}_z0",)]


def test_a_band_that_somebody_moved_or_renamed_is_not_served(towns: str, make_app: MakeApp) -> None:
    number = overview(towns, "public.towns", range(2))
    run(
        towns, f"ALTER TABLE flagstone.overview_{number}_z0 RENAME TO other", f"ALTER TABLE flagstone.overview_{number}_z1 SET SCHEMA public",
    )  # fmt: skip
    app = make_app(towns)
    for zoom in (0, 1):
        tile = Tile(zoom, zoom, 0)
        assert entry_as(app, "public.towns", None, tile).how == How.FULL
    assert "a table of it was dropped" in command(towns, "status", "towns")[1]
    code, said = command(towns, "refresh", "towns")
    assert (code, "was built anew" in said) == (0, True), said
    assert entry_as(make_app(towns), "public.towns", None, WORLD).how == How.OVERVIEW


def test_commands_find_by_its_name_a_layer_that_only_a_role_of_the_login_may_read(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    run(towns, "CREATE SCHEMA closed", "ALTER TABLE public.towns SET SCHEMA closed")
    login(towns, BEN, f"GRANT USAGE ON SCHEMA closed TO {BEN}", f"GRANT SELECT ON closed.towns TO {BEN}")
    web = login(towns, WEB, f"GRANT {BEN} TO {WEB}", attributes="NOINHERIT")
    settings: dict[str, Any] = {"FLAGSTONE_ADMIN_DATABASE_URL": towns}
    for name in ("closed.towns", "towns"):
        for asked in ("plan", "build"):
            code, said = command(web, asked, name, **settings)
            assert (code, "needs no overview" in said) == (0, True), said
    overview(web, "closed.towns", range(2), **settings)
    assert entry_as(make_app(web), "closed.towns", BEN, WORLD).how == How.OVERVIEW
    for asked in ("status", "refresh", "drop"):
        code, said = command(web, asked, "towns", **settings)
        assert code == 0, said
        assert "closed.towns" in said
    code, said = command(web, "status", "town", **settings)
    assert code == 1
    assert "closed.towns" not in said


def test_no_band_is_no_exact_account() -> None:
    assert not Account(table=3, filtered=0, null=0, empty=0, outside=0, by_zoom={}).is_exact
    assert Account(table=3, filtered=0, null=1, empty=0, outside=0, by_zoom={4: 2}).is_exact
