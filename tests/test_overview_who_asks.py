"""What comes to depend on who asks, after an overview was built of it, is not served from the overview any more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app import create_app
from app.errors import ConfigurationError
from app.layers.how import How
from app.layers.tile import Tile
from app.settings import Settings
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import entry_as, run

WORLD = Tile(0, 0, 0)
WEB, ANNA = "flagstone_web", "flagstone_anna"
BASE = (
    "CREATE TABLE public.base (id int PRIMARY KEY, owner text, geom geometry(Point, 4326))",
    "INSERT INTO public.base SELECT n, 'web', ST_SetSRID(ST_MakePoint(9 + n * 0.001, 47), 4326) FROM generate_series(1, 100) AS n",
)


def served(dsn: str, make_app: MakeApp, layer: str, **settings: Any) -> How:
    return entry_as(make_app(dsn, CACHE_TYPE="NullCache", **settings), layer, None, WORLD).how


AFTERWARDS = {
    "it gets the rights of who asks": "ALTER VIEW public.shown SET (security_invoker = on)",
    "the view below it does": "ALTER VIEW public.inner_one SET (security_invoker = on)",
    "the table below it gets row security": "ALTER TABLE public.base ENABLE ROW LEVEL SECURITY",
    "a view below it asks": "CREATE OR REPLACE VIEW public.inner_one AS SELECT * FROM public.base WHERE right_one(owner) AND owner <> current_user",
    "a function that it calls asks": (
        "CREATE OR REPLACE FUNCTION public.right_one(text) RETURNS bool STABLE LANGUAGE sql AS 'SELECT $1 <> current_user'"
    ),
    "the function of an operator that it calls asks": (
        "CREATE OR REPLACE FUNCTION public.other_one(text, text) RETURNS bool STABLE LANGUAGE sql AS 'SELECT $1 <> current_user'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AFTERWARDS)
def test_a_view_that_comes_to_depend_on_who_asks_is_not_served_from_its_overview(
    database: str, login: Login, make_app: MakeApp, case: str
) -> None:
    run(
        database, *BASE,
        "CREATE FUNCTION public.right_one(text) RETURNS bool STABLE LANGUAGE sql AS 'SELECT $1 > '''''",
        "CREATE FUNCTION public.other_one(text, text) RETURNS bool STABLE LANGUAGE sql AS 'SELECT $1 = $2'",
        "CREATE OPERATOR public.=== (leftarg = text, rightarg = text, function = public.other_one)",
        "CREATE VIEW public.inner_one AS SELECT * FROM public.base WHERE right_one(owner)",
        "CREATE VIEW public.shown AS SELECT * FROM public.inner_one WHERE owner OPERATOR(public.===) 'web'",
    )  # fmt: skip
    web = login(database, WEB, f"GRANT SELECT ON public.shown TO {WEB}")
    overview(web, "public.shown", range(3), FLAGSTONE_ADMIN_DATABASE_URL=database)
    assert served(web, make_app, "public.shown") == How.OVERVIEW
    with psycopg.connect(database) as connection:
        if "security_invoker" in AFTERWARDS[case] and connection.info.server_version < 150_000:
            return
    run(database, AFTERWARDS[case])
    assert catalog_of(web).overview_faults
    assert catalog_of(web).relations[-1].overviews == ()


@pytest.fixture
def far(database: str, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """A foreign table `far` of this database itself, as its superuser."""
    known = psycopg.conninfo.conninfo_to_dict(database)
    run(
        database, *BASE, "CREATE EXTENSION postgres_fdw",
        f"CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{known.get('host', '127.0.0.1')}',"
        f" port '{known.get('port', '5432')}', dbname '{known['dbname']}')",
        f"CREATE USER MAPPING FOR PUBLIC SERVER itself OPTIONS (user '{known['user']}', password_required 'false')",
        "CREATE FOREIGN TABLE public.far (id int, owner text, geom geometry(Point, 4326)) SERVER itself OPTIONS (table_name 'base')",
    )  # fmt: skip
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.far"]\nid = "id"\n[layers."public.whole"]\nid = "id"\n')
    return database, {"FLAGSTONE_LAYERS_FILE": str(file)}


MAPPING = f"CREATE USER MAPPING FOR {WEB} SERVER itself OPTIONS (user 'nobody', password_required 'false')"


def test_a_foreign_table_that_is_read_as_another_for_each_role_has_no_overview(
    far: tuple[str, dict[str, Any]], login: Login
) -> None:
    dsn, settings = far
    login(dsn, WEB, f"GRANT SELECT ON public.far TO {WEB}", MAPPING)
    with pytest.raises(ConfigurationError, match=r"public\.far.*user mappings"):
        overview(dsn, "public.far", range(3), **settings)


def test_a_mapping_that_comes_later_takes_the_overview_out_of_service(
    far: tuple[str, dict[str, Any]], login: Login, make_app: MakeApp
) -> None:
    dsn, settings = far
    web = login(dsn, WEB, f"GRANT SELECT ON public.far TO {WEB}")
    overview(web, "public.far", range(3), FLAGSTONE_ADMIN_DATABASE_URL=dsn, **settings)
    assert [len(each.overviews) for each in catalog_of(web, **settings).relations if each.id == "public.far"] == [1]
    run(dsn, MAPPING)
    assert "user mappings" in next(iter(catalog_of(web, **settings).overview_faults.values()))
    app = create_app(Settings.of(DATABASE_URL=web, FLAGSTONE_ADMIN_DATABASE_URL=dsn, **settings))
    with closing(app.extensions["flagstone"]):
        done = app.test_cli_runner().invoke(args=["overviews", "status", "public.far"])
        assert (done.exit_code, "not served: its foreign server has user mappings" in done.output) == (0, True), done.output
        done = app.test_cli_runner().invoke(args=["overviews", "refresh", "public.far"])
        assert (done.exit_code, "user mappings for single roles" in done.output) == (1, True), done.output
        assert app.test_cli_runner().invoke(args=["overviews", "drop", "public.far"]).exit_code == 0


def test_a_table_with_a_foreign_part_is_as_foreign(far: tuple[str, dict[str, Any]], login: Login) -> None:
    dsn, settings = far
    run(dsn, "CREATE TABLE public.whole (id int, owner text, geom geometry(Point, 4326))", "ALTER FOREIGN TABLE public.far INHERIT public.whole")
    login(dsn, WEB, f"GRANT SELECT ON public.whole TO {WEB}")
    overview(dsn, "public.whole", range(3), **settings)
    run(dsn, MAPPING)
    assert "user mappings" in next(iter(catalog_of(dsn, **settings).overview_faults.values()))
    with pytest.raises(ConfigurationError, match="user mappings"):
        overview(dsn, "public.whole", range(3), **settings)


def test_one_mapping_is_as_good_as_one_for_all_where_nobody_else_may_read_the_table(
    far: tuple[str, dict[str, Any]], login: Login
) -> None:
    dsn, settings = far
    login(dsn, ANNA)
    run(dsn, "DROP USER MAPPING FOR PUBLIC SERVER itself", MAPPING.replace(WEB, "CURRENT_USER").replace("nobody", str(psycopg.conninfo.conninfo_to_dict(dsn)["user"])))
    overview(dsn, "public.far", range(3), **settings)
    assert catalog_of(dsn, **settings).overview_faults == {}
    run(dsn, f"GRANT SELECT (id) ON public.far TO {ANNA}")
    assert "user mappings" in next(iter(catalog_of(dsn, **settings).overview_faults.values()))


def test_a_view_of_a_foreign_table_is_read_as_its_owner(far: tuple[str, dict[str, Any]], login: Login, make_app: MakeApp) -> None:
    dsn, settings = far
    run(dsn, "CREATE VIEW public.whole AS SELECT * FROM public.far")
    web = login(dsn, WEB, f"GRANT SELECT ON public.whole TO {WEB}", MAPPING)
    overview(web, "public.whole", range(3), FLAGSTONE_ADMIN_DATABASE_URL=dsn, **settings)
    assert served(web, make_app, "public.whole", **settings) == How.OVERVIEW
