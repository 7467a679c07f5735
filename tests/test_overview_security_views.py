"""Views whose rows depend on who asks have no overview, as far as that can be seen; others have."""

from __future__ import annotations

import psycopg
import pytest

from app.errors import ConfigurationError
from app.layers.how import How
from app.layers.tile import Tile
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import attributes_of, entry_as, run

WEB = "flagstone_web"
WORLD = Tile(0, 0, 0)
TABLE = (
    "CREATE TABLE public.base (id int PRIMARY KEY, owner text, geom geometry(Point, 4326))",
    "INSERT INTO public.base SELECT n, 'flagstone_web', ST_SetSRID(ST_MakePoint(9 + n * 0.001, 47), 4326) FROM generate_series(1, 9) AS n",
)


@pytest.fixture
def base(database: str) -> str:
    run(database, *TABLE)
    return database


ASKING = {
    "current user": ("CREATE VIEW public.shown AS SELECT * FROM base WHERE owner = current_user", "asks for the current user"),
    "session user": ("CREATE VIEW public.shown AS SELECT * FROM base WHERE owner = session_user", "asks for the current user"),
    "role": ("CREATE VIEW public.shown AS SELECT * FROM base WHERE owner = current_role", "asks for the current user"),
    "setting": (
        "CREATE VIEW public.shown AS SELECT * FROM base WHERE owner = current_setting('app.user', true)", "current_setting",
    ),
    "membership": ("CREATE VIEW public.shown AS SELECT * FROM base WHERE pg_has_role(owner, 'MEMBER')", "pg_has_role"),
    "in a sub-select": (
        "CREATE VIEW public.shown AS SELECT * FROM base WHERE id IN (SELECT id FROM base WHERE owner = current_user)", "current user",
    ),
    "below another view": (
        "CREATE VIEW public.inner_one AS SELECT * FROM base WHERE owner = current_user; CREATE VIEW public.shown AS SELECT * FROM inner_one",
        "public.inner_one asks",
    ),
    "own function": (
        "CREATE FUNCTION public.mine(text) RETURNS bool STABLE LANGUAGE sql AS 'SELECT $1 = current_user';"
        "CREATE VIEW public.shown AS SELECT * FROM base WHERE mine(owner)",
        "whose text asks",
    ),
    "own operator": (
        "CREATE FUNCTION public.mine(text, text) RETURNS bool STABLE LANGUAGE sql AS 'SELECT $1 = $2 AND $1 = current_user';"
        "CREATE OPERATOR public.=== (leftarg = text, rightarg = text, function = public.mine);"
        "CREATE VIEW public.shown AS SELECT * FROM base WHERE owner === 'x'",
        "whose text asks",
    ),
    "row security": (
        "ALTER TABLE base ENABLE ROW LEVEL SECURITY; CREATE VIEW public.shown AS SELECT * FROM base", r"public\.base below it has row security",
    ),
    "row security below a view": (
        "ALTER TABLE base ENABLE ROW LEVEL SECURITY; CREATE VIEW public.inner_one AS SELECT * FROM base;"
        "CREATE VIEW public.shown AS SELECT * FROM inner_one",
        r"public\.base below it has row security",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKING)
def test_a_view_that_asks_who_asks_has_no_overview(base: str, case: str) -> None:
    statement, reason = ASKING[case]
    run(base, statement)
    with pytest.raises(ConfigurationError, match=reason):
        overview(base, "public.shown", range(3))


def test_a_view_with_the_rights_of_whoever_asks_has_no_overview(base: str) -> None:
    with psycopg.connect(base) as connection:
        if connection.info.server_version < 150_000:
            with pytest.raises(psycopg.Error):
                connection.execute(
                    "CREATE VIEW public.shown WITH (security_invoker = on) AS SELECT * FROM base"
                )
            return
    run(base, "CREATE VIEW public.shown WITH (security_invoker = on) AS SELECT * FROM base")
    with pytest.raises(ConfigurationError, match="rights of whoever asks"):
        overview(base, "public.shown", range(3))


@pytest.mark.parametrize(
    "view",
    [
        "CREATE VIEW public.shown AS SELECT * FROM base WHERE id < 100",
        "CREATE VIEW public.shown AS SELECT id, owner, geom, now() AS at FROM base",
        "CREATE VIEW public.shown WITH (security_barrier) AS SELECT * FROM base WHERE owner ~ 'web'",
    ],
)
def test_other_views_have_overviews_with_their_own_grants(
    base: str, login: Login, make_app: MakeApp, view: str
) -> None:
    run(base, view)
    web = login(base, WEB, f"GRANT SELECT ON public.shown TO {WEB}")
    overview(web, "public.shown", range(3), FLAGSTONE_ADMIN_DATABASE_URL=base)
    assert entry_as(make_app(web), "public.shown", None, WORLD).how == How.OVERVIEW
    assert catalog_of(web).overview_faults == {}


def test_a_view_over_a_table_that_gets_row_security_is_not_served_from_its_overview(
    base: str, login: Login, make_app: MakeApp
) -> None:
    run(base, "CREATE VIEW public.shown AS SELECT * FROM base")
    web = login(base, WEB, f"GRANT SELECT ON public.shown TO {WEB}")
    overview(web, "public.shown", range(3), FLAGSTONE_ADMIN_DATABASE_URL=base)
    run(base, "ALTER TABLE base ENABLE ROW LEVEL SECURITY")
    assert len(catalog_of(web).overview_faults) == 1
    assert entry_as(make_app(web), "public.shown", None, WORLD).how == How.FULL


def test_a_materialized_view_shows_everybody_what_it_was_filled_with(
    base: str, login: Login, make_app: MakeApp
) -> None:
    run(
        base, "ALTER TABLE base ENABLE ROW LEVEL SECURITY", "CREATE MATERIALIZED VIEW public.shown AS SELECT * FROM base WHERE id < 6",
        "CREATE UNIQUE INDEX ON public.shown (id)",
    )  # fmt: skip
    web = login(base, WEB, f"GRANT SELECT ON public.shown, public.base TO {WEB}")
    overview(web, "public.shown", range(3), FLAGSTONE_ADMIN_DATABASE_URL=base)
    entry = entry_as(make_app(web), "public.shown", None, WORLD)
    assert entry.how == How.OVERVIEW
    with psycopg.connect(web) as connection:
        assert connection.execute("SELECT count(*) FROM public.base").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM public.shown").fetchone() == (5,)
    assert sum(each["feature_count"] for each in attributes_of(entry)) == 5
