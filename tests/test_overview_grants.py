"""Who may read an overview: exactly who may read the layer's table, and nobody by it who may not read that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.errors import AccessDenied, BadParameter, NotFound
from app.layers.how import How
from app.layers.identity import Identity
from app.layers.tile import Tile
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import attributes_of, backend_of, entry_as, run
from tests.test_overview_cli import FEW, asked, said
from tests.tile_decoding import attributes, get

WORLD = Tile(0, 0, 0)
TOWNS = (
    "CREATE TABLE public.towns (id int PRIMARY KEY, name text, secret text, geom geometry(Point, 4326))",
    "INSERT INTO public.towns SELECT n, 'town', 'hidden', ST_SetSRID(ST_MakePoint(9 + n * 0.001, 47), 4326)"
    " FROM generate_series(1, 100) AS n",
)
WEB, ANNA, BEN = "flagstone_web", "flagstone_anna", "flagstone_ben"


@pytest.fixture
def towns(database: str) -> str:
    run(database, *TOWNS)
    return database


def built(dsn: str, web: str, layer: str = "public.towns") -> int:
    return overview(web, layer, range(3), FLAGSTONE_ADMIN_DATABASE_URL=dsn)


def faults(dsn: str) -> list[str]:
    return list(catalog_of(dsn).overview_faults.values())


def how(dsn: str, make_app: MakeApp, role: str | None = None, **parameters: str) -> How:
    return entry_as(make_app(dsn, CACHE_TYPE="NullCache"), "public.towns", role, WORLD, **parameters).how


def direct(dsn: str, band: int | str, role: str, columns: str = "*") -> int | str:
    """Rows of a band (of zoom 0, or of this table) that a role reads by itself, or the name of the error."""
    table = band if isinstance(band, str) else f"overview_{band}_z0"
    with psycopg.connect(dsn) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        try:
            row = connection.execute(f"SELECT count({columns}) FROM flagstone.{table}".encode()).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return "denied"
    return row[0] if row else 0


def test_bands_have_the_grants_of_the_table(towns: str, login: Login, make_app: MakeApp) -> None:
    login(towns, BEN)
    login(towns, ANNA, f"GRANT SELECT ON public.towns TO {ANNA}")
    web = login(towns, WEB, f"GRANT {ANNA}, {BEN} TO {WEB}", attributes="NOINHERIT")
    number = built(towns, web)
    assert faults(web) == []
    assert how(web, make_app, ANNA) == How.OVERVIEW
    assert direct(towns, number, ANNA) == 1
    assert direct(towns, number, BEN) == direct(towns, number, WEB) == "denied"


def test_a_public_grant_serves_everybody(towns: str, login: Login, make_app: MakeApp) -> None:
    login(towns, BEN)
    web = login(towns, WEB, "GRANT SELECT ON public.towns TO PUBLIC", f"GRANT {BEN} TO {WEB}")
    number = built(towns, web)
    assert how(web, make_app) == how(web, make_app, BEN) == How.OVERVIEW
    assert direct(towns, number, BEN) == 1
    run(towns, "REVOKE SELECT ON public.towns FROM PUBLIC", f"GRANT SELECT ON public.towns TO {WEB}")
    assert "more roles" in faults(web)[0]
    assert how(web, make_app) == How.FULL


def test_a_grant_that_somebody_added_to_a_band_takes_it_out_of_service(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    login(towns, BEN)
    web = login(towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}")
    number = built(towns, web)
    assert how(web, make_app) == How.OVERVIEW
    run(towns, f"GRANT SELECT ON flagstone.overview_{number}_z1 TO {BEN}")
    assert "more roles" in faults(web)[0]
    assert how(web, make_app) == How.FULL
    run(
        towns,
        f"REVOKE SELECT ON flagstone.overview_{number}_z1 FROM {BEN}",
        f"GRANT SELECT (name) ON flagstone.overview_{number}_z0 TO {BEN}",
    )
    assert "more roles" in faults(web)[0]


def test_a_grant_that_the_table_lost_after_the_build_takes_the_overview_out_of_service(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    login(towns, ANNA, f"GRANT SELECT ON public.towns TO {ANNA}")
    web = login(towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}")
    built(towns, web)
    run(towns, f"REVOKE SELECT ON public.towns FROM {ANNA}")
    assert "more roles" in faults(web)[0]
    assert how(web, make_app) == How.FULL


def test_a_role_whose_grant_was_revoked_after_the_build_gets_no_tile_of_the_band(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    login(towns, ANNA, f"GRANT SELECT ON public.towns TO {ANNA}")
    web = login(
        towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}", f"GRANT {ANNA} TO {WEB}", attributes="NOINHERIT"
    )
    number = built(towns, web)
    app = make_app(web, FLAGSTONE_CATALOG_INTERVAL_S=3600)
    assert entry_as(app, "public.towns", ANNA, WORLD).how == How.OVERVIEW
    run(towns, f"REVOKE SELECT ON public.towns FROM {ANNA}")
    catalog = backend_of(app).catalog.reload()
    assert catalog.find("public.towns", Identity(role=ANNA)) is None
    with pytest.raises(NotFound):
        entry_as(app, "public.towns", ANNA, WORLD)
    assert entry_as(app, "public.towns", None, WORLD).how == How.FULL
    # PostgreSQL itself shows the band until a refresh takes the grant, as docs/overviews.md says.
    assert direct(towns, number, ANNA) == 1


def test_who_may_read_the_table_since_the_build_is_served_from_it(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    login(towns, BEN)
    web = login(
        towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}", f"GRANT {BEN} TO {WEB}", attributes="NOINHERIT"
    )
    built(towns, web)
    run(towns, f"GRANT SELECT ON public.towns TO {BEN}")
    assert faults(web) == []
    assert how(web, make_app) == How.OVERVIEW
    assert how(web, make_app, BEN) == How.FULL


def test_a_grant_without_that_of_the_schema_is_not_copied(towns: str, login: Login) -> None:
    run(towns, "CREATE SCHEMA closed", "ALTER TABLE public.towns SET SCHEMA closed")
    login(towns, BEN, f"GRANT SELECT ON closed.towns TO {BEN}")
    web = login(
        towns, WEB, f"GRANT USAGE ON SCHEMA closed TO {WEB}", f"GRANT SELECT ON closed.towns TO {WEB}"
    )
    number = built(towns, web, "closed.towns")
    assert direct(towns, number, BEN) == "denied"
    assert direct(towns, number, WEB) == 1
    assert faults(web) == []
    login(towns, ANNA, f"GRANT {WEB} TO {ANNA}")
    run(towns, f"REVOKE USAGE ON SCHEMA closed FROM {WEB}", f"GRANT USAGE ON SCHEMA closed TO {ANNA}")
    assert "more roles" in faults(towns)[0]


@pytest.mark.parametrize(
    ("granted", "asked", "expected"),
    [
        ("id, name, geom", {}, How.OVERVIEW), ("id, geom", {}, How.OVERVIEW),
        # Without the key the order of features could not be told: from the table.
        ("name, geom", {}, How.FULL),
        ("id, name, geom", {"columns": "name"}, How.OVERVIEW),
    ],
)  # fmt: skip
def test_who_may_read_some_columns_gets_these_alone(
    towns: str, login: Login, make_app: MakeApp, granted: str, asked: dict[str, str], expected: How
) -> None:
    web = login(towns, WEB, f"GRANT SELECT ({granted}) ON public.towns TO {WEB}")
    number = built(towns, web)
    entry = entry_as(make_app(web), "public.towns", None, WORLD, **asked)
    assert entry.how == expected
    allowed = set(granted.split(", ")) | {"feature_count"}
    found = attributes_of(entry)
    assert found and all(each.keys() <= allowed for each in found)
    assert direct(towns, number, WEB, "secret") == "denied"
    assert faults(web) == []
    if expected == How.OVERVIEW and not asked:
        assert [each["feature_count"] for each in attributes_of(entry)] == [100]


def test_a_column_that_the_table_no_longer_shows_takes_the_overview_out_of_service(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    web = login(towns, WEB, f"GRANT SELECT (id, name, secret, geom) ON public.towns TO {WEB}")
    built(towns, web)
    assert how(web, make_app) == How.OVERVIEW
    run(towns, f"REVOKE SELECT (secret) ON public.towns FROM {WEB}")
    assert "more roles" in faults(web)[0]
    assert how(web, make_app) == How.FULL


def test_sums_are_for_who_may_read_what_is_summed(
    towns: str, login: Login, make_app: MakeApp, tmp_path: Path
) -> None:
    run(towns, "ALTER TABLE public.towns ADD people int DEFAULT 7")
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.towns"]\noverview = {sum = ["people"]}\n')
    login(towns, ANNA, f"GRANT SELECT (id, people, geom) ON public.towns TO {ANNA}")
    login(towns, BEN, f"GRANT SELECT (id, geom) ON public.towns TO {BEN}")
    web = login(towns, WEB, f"GRANT {ANNA}, {BEN} TO {WEB}", attributes="NOINHERIT")
    settings: dict[str, Any] = {"FLAGSTONE_LAYERS_FILE": str(file)}
    number = overview(web, "public.towns", range(3), FLAGSTONE_ADMIN_DATABASE_URL=towns, **settings)
    app = make_app(web, **settings)
    seen = {role: attributes_of(entry_as(app, "public.towns", role, WORLD)) for role in (ANNA, BEN)}
    assert [each["people_sum"] for each in seen[ANNA]] == [700]
    assert seen[BEN][0].keys() == {"id", "feature_count"}
    assert direct(towns, number, ANNA, "people_sum") == 1
    assert direct(towns, number, BEN, "people_sum") == "denied"
    assert list(catalog_of(web, **settings).overview_faults.values()) == []
    run(towns, f"GRANT SELECT (people_sum) ON flagstone.overview_{number}_z0 TO {BEN}")
    assert "more roles" in next(iter(catalog_of(web, **settings).overview_faults.values()))


def test_a_role_that_is_dropped_leaves_the_overview_to_the_others(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    web = login(towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}")
    run(
        towns,
        "DROP ROLE IF EXISTS flagstone_gone",
        "CREATE ROLE flagstone_gone",
        "GRANT SELECT ON public.towns TO flagstone_gone",
    )
    built(towns, web)
    run(towns, "DROP OWNED BY flagstone_gone", "DROP ROLE flagstone_gone")
    assert faults(web) == []
    assert how(web, make_app) == How.OVERVIEW


def test_the_registry_is_for_the_serving_login_alone(towns: str, login: Login) -> None:
    login(towns, ANNA, f"GRANT SELECT ON public.towns TO {ANNA}")
    web = login(towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}")
    number = built(towns, web)
    with psycopg.connect(towns) as connection:
        allowed = connection.execute(
            "SELECT r.rolname, c.relname FROM pg_class c, pg_roles r WHERE c.relnamespace = 'flagstone'::regnamespace"
            " AND c.relkind = 'r' AND r.rolname IN (%s, %s) AND has_any_column_privilege(r.oid, c.oid, 'SELECT')",
            [ANNA, WEB],
        ).fetchall()
    bands = {f"overview_{number}_z{zoom}" for zoom in range(3)}
    assert {table for role, table in allowed if role == ANNA} == bands
    assert {table for role, table in allowed if role == WEB} == bands | {"overview", "overview_band"}


def test_privileges_that_a_database_gives_by_default_do_not_reach_our_tables(
    towns: str, login: Login
) -> None:
    login(towns, BEN)
    web = login(towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}")
    run(towns, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    number = built(towns, web)
    assert faults(web) == []
    run(towns, f"GRANT USAGE ON SCHEMA flagstone TO {BEN}")
    assert direct(towns, number, BEN) == "denied"


def test_row_security_that_came_after_the_build_takes_the_overview_out_of_service(
    towns: str, login: Login, make_app: MakeApp
) -> None:
    web = login(towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}")
    built(towns, web)
    run(towns, "ALTER TABLE public.towns ENABLE ROW LEVEL SECURITY")
    assert faults(web) == ["the table got row security after it was built"]
    assert get(make_app(web), "/tiles/public.towns/0/0/0").status_code == 204
    run(towns, "CREATE POLICY few ON public.towns USING (id < 4)")
    assert [each["id"] for each in attributes(make_app(web), "/tiles/public.towns/0/0/0")] == [1, 2, 3]
    run(towns, "ALTER TABLE public.towns DISABLE ROW LEVEL SECURITY")
    assert how(web, make_app) == How.OVERVIEW


def test_two_roles_never_share_a_cached_tile(towns: str, login: Login, make_app: MakeApp) -> None:
    login(towns, ANNA, f"GRANT SELECT ON public.towns TO {ANNA}")
    login(towns, BEN, f"GRANT SELECT (id, geom) ON public.towns TO {BEN}")
    web = login(
        towns,
        WEB,
        f"GRANT {ANNA}, {BEN} TO {WEB}",
        f"GRANT SELECT ON public.towns TO {WEB}",
        attributes="NOINHERIT",
    )
    built(towns, web)
    app = make_app(web, CACHE_TYPE="memory")
    for _ in range(2):
        seen = {role: attributes_of(entry_as(app, "public.towns", role, WORLD)) for role in (None, ANNA, BEN)}
        assert seen[None][0].keys() == seen[ANNA][0].keys() == {"id", "name", "secret", "feature_count"}
        assert seen[BEN][0].keys() == {"id", "feature_count"}


def test_roles_that_read_nothing_are_told_of_nothing(towns: str, login: Login) -> None:
    login(towns, BEN)
    web = login(
        towns, WEB, f"GRANT SELECT ON public.towns TO {WEB}", f"GRANT {BEN} TO {WEB}", attributes="NOINHERIT"
    )
    built(towns, web)
    assert catalog_of(web).find("public.towns", Identity(role=BEN)) is None


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ("filter = \"secret = 'hidden'\"", {}),
        ("overview = { filters = [\"secret = 'hidden'\"] }", {"filter": "secret = 'hidden'"}),
        ('rank = ["secret"]', {}),
    ],
)
def test_a_band_tells_nobody_of_a_column_that_they_may_not_read(
    towns: str, login: Login, make_app: MakeApp, tmp_path: Path, options: str, parameters: dict[str, str]
) -> None:
    login(towns, ANNA, f"GRANT SELECT (id, name, geom) ON public.towns TO {ANNA}")
    login(towns, BEN, f"GRANT SELECT ON public.towns TO {BEN}")
    web = login(towns, WEB, f"GRANT {ANNA}, {BEN} TO {WEB}", "GRANT USAGE ON SCHEMA public TO flagstone_web", attributes="NOINHERIT")
    layers = tmp_path / "layers.toml"
    layers.write_text(f'[layers."public.towns"]\n{options}\n')
    app = make_app(
        web, CACHE_TYPE="NullCache", FLAGSTONE_LAYERS_FILE=str(layers), FLAGSTONE_ADMIN_DATABASE_URL=towns, **FEW
    )
    said(app, "build", "public.towns")
    app.extensions["flagstone"].catalog.reload()
    assert entry_as(app, "public.towns", BEN, WORLD, **parameters).how is How.OVERVIEW
    with psycopg.connect(towns) as connection:
        # That of the filter is built after the layer's own.
        newest = connection.execute("SELECT table_name FROM flagstone.overview_band ORDER BY overview DESC LIMIT 1").fetchone()
    band = str(newest and newest[0])
    for columns in ("id", '"~geometry"', "feature_count"):
        assert isinstance(direct(towns, band, BEN, columns), int)
    assert direct(towns, band, ANNA, '"~geometry"') == direct(towns, band, ANNA, "feature_count") == "denied"
    if "rank" in options:
        assert entry_as(app, "public.towns", ANNA, WORLD).how is not How.OVERVIEW
    else:
        with pytest.raises((AccessDenied, BadParameter)):
            entry_as(app, "public.towns", ANNA, WORLD, **parameters)


def test_a_band_is_weighed_as_for_who_may_read_every_column(towns: str, login: Login, make_app: MakeApp) -> None:
    """By those who may not see the texts its tiles are light; the budget is that of who may."""
    run(
        towns,
        "UPDATE public.towns SET geom = ST_SetSRID(ST_MakePoint(id % 10 * 30 - 140, id / 10 * 12 - 60), 4326),"
        " secret = (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 40 + id * 0))",
    )
    # Anna is the first of the roles by name; Zoe sees everything.
    web = login(towns, WEB, attributes="NOINHERIT")
    for role, columns in ((ANNA, "(id, geom)"), ("flagstone_zoe", "")):
        login(towns, role, f"GRANT SELECT {columns} ON public.towns TO {role}", f"GRANT {role} TO {WEB}")
    app = make_app(web, **FEW, FLAGSTONE_ADMIN_DATABASE_URL=towns, FLAGSTONE_TILE_BUDGET_KB=20)
    said(app, "build", "public.towns")
    tables = [each["measured"] for each in asked(app, "status", "public.towns")[0]["tables"]]
    bands = [each for each in tables if "features" in each]
    # A text of 1,280 hexadecimal digits cannot weigh less.
    assert bands and all(each["bytes"] > 300 * each["features"] for each in bands)
