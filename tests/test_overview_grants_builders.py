"""Who builds, who owns and who serves: the same rows for each role, whichever login does what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from app.errors import ConfigurationError, OverviewError
from app.layers.how import How
from app.layers.tile import Tile
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import attributes_of, entry_as, run

WORLD = Tile(0, 0, 0)
WEB, ANNA, OWNER = "flagstone_web", "flagstone_anna", "flagstone_owner"


@contextmanager
def may_build(dsn: str, role: str) -> Iterator[None]:
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    run(dsn, f'GRANT CREATE ON DATABASE "{name}" TO {role}')
    yield


def seen(
    dsn: str, make_app: MakeApp, role: str | None = None, layer: str = "public.places"
) -> tuple[int, How]:
    entry = entry_as(make_app(dsn, CACHE_TYPE="NullCache"), layer, role, WORLD)
    return len(attributes_of(entry)), entry.how


def faults(dsn: str) -> list[str]:
    return list(catalog_of(dsn).overview_faults.values())


def test_a_superuser_that_serves_sees_every_row(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("guarded")
    login(dsn, ANNA, f"GRANT SELECT ON public.places TO {ANNA}")
    overview(dsn, "public.places", range(3))
    assert seen(dsn, make_app) == (3000, How.OVERVIEW)


def test_the_owner_of_the_table_builds_and_serves_by_itself(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("guarded")
    login(dsn, ANNA, f"GRANT SELECT ON public.places, public.areas TO {ANNA}")
    owner = login(
        dsn, OWNER, f"GRANT {ANNA} TO {OWNER}", f"ALTER TABLE public.places OWNER TO {OWNER}", f"ALTER TABLE public.areas OWNER TO {OWNER}"
    )  # fmt: skip
    with may_build(dsn, OWNER):
        overview(owner, "public.places", range(3))
        # Several bands, each coarser one made of the finer one, which its owner sees by a policy too.
        overview(owner, "public.areas", range(7))
    assert seen(owner, make_app) == (3000, How.OVERVIEW)
    assert seen(owner, make_app, ANNA) == (1000, How.OVERVIEW)
    assert seen(owner, make_app, None, "public.areas") == (800, How.OVERVIEW)
    assert seen(owner, make_app, ANNA, "public.areas") == (400, How.OVERVIEW)


def test_an_owner_that_its_policies_bind_later_sees_by_its_bands_what_it_sees_in_the_table(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("guarded")
    owner = login(dsn, OWNER, f"ALTER TABLE public.places OWNER TO {OWNER}")
    with may_build(dsn, OWNER):
        overview(owner, "public.places", range(3))
    app = make_app(owner, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_INTERVAL_S=3600)
    assert len(attributes_of(entry_as(app, "public.places", None, WORLD))) == 3000
    run(
        dsn,
        "ALTER TABLE public.places FORCE ROW LEVEL SECURITY",
        f"UPDATE public.places SET owner = '{OWNER}' WHERE id = 7",
    )
    entry = entry_as(app, "public.places", None, WORLD)
    assert ([each["id"] for each in attributes_of(entry)], entry.how) == ([7], How.OVERVIEW)
    with pytest.raises(
        OverviewError,
        match=r"flagstone_owner is shown only some rows of public\.places.*a superuser or a role with BYPASSRLS",
    ):
        overview(owner, "public.places", range(3))


def test_a_plain_login_is_told_who_has_to_build(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("guarded")
    login(dsn, OWNER, f"ALTER TABLE public.places OWNER TO {OWNER}")
    web = login(dsn, WEB, f"GRANT SELECT ON public.places TO {WEB}")
    with (
        may_build(dsn, WEB),
        pytest.raises(OverviewError, match=r"its owner flagstone_owner.*FLAGSTONE_ADMIN_DATABASE_URL"),
    ):
        overview(web, "public.places", range(3))
    run(dsn, f"UPDATE public.places SET owner = '{WEB}' WHERE id < 6")
    assert seen(web, make_app) == (5, How.FULL)


def test_a_plain_login_builds_the_overview_of_a_table_without_row_security_by_itself(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("guarded")
    run(dsn, "ALTER TABLE public.places DISABLE ROW LEVEL SECURITY")
    web = login(dsn, WEB, f"GRANT SELECT ON public.places TO {WEB}")
    with may_build(dsn, WEB):
        overview(web, "public.places", range(3))
    assert seen(web, make_app)[1] == How.OVERVIEW
    run(dsn, f"REVOKE SELECT ON public.places FROM {WEB}")
    assert [layer.id for layer in catalog_of(web).layers] == []


def test_a_plain_login_that_owns_the_bands_never_sees_more_by_them(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    """It builds with the rights of a role with BYPASSRLS, which it loses afterwards."""
    dsn = oddity("guarded")
    web = login(dsn, WEB, f"GRANT SELECT ON public.places TO {WEB}", f"ALTER ROLE {WEB} BYPASSRLS")
    with may_build(dsn, WEB):
        number = overview(web, "public.places", range(3))
    assert seen(web, make_app) == (3000, How.OVERVIEW)
    run(dsn, f"ALTER ROLE {WEB} NOBYPASSRLS", f"UPDATE public.places SET owner = '{WEB}' WHERE id < 6")
    assert seen(web, make_app) == (5, How.OVERVIEW)
    with psycopg.connect(web) as connection:
        assert connection.execute(
            f"SELECT count(*) FROM flagstone.overview_{number}_z2".encode()
        ).fetchone() == (5,)


def test_a_band_whose_row_security_somebody_changed_is_not_served(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("guarded")
    web = login(dsn, WEB, f"GRANT SELECT ON public.places TO {WEB}")
    number = overview(web, "public.places", range(3), FLAGSTONE_ADMIN_DATABASE_URL=dsn)
    table = f"flagstone.overview_{number}_z2"
    for change, back in [
        (f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY", f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        (f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY", f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        (f"CREATE POLICY more ON {table} USING (true)", f"DROP POLICY more ON {table}"),
        # What the right policy is called does not make it one.
        (
            f"ALTER POLICY flagstone_as_its_table ON {table} RENAME TO kept; CREATE POLICY flagstone_as_its_table ON {table} FOR SELECT USING (true);"
            f" ALTER POLICY kept ON {table} USING (true); DROP POLICY kept ON {table}",
            f"DROP POLICY flagstone_as_its_table ON {table}; CREATE POLICY flagstone_as_its_table ON {table} FOR SELECT"
            " USING (EXISTS (SELECT FROM public.places AS base WHERE base.id = overview_1_z2.id))",
        ),
    ]:
        run(dsn, change)
        assert "row security of its own tables" in faults(web)[0], change
        assert seen(web, make_app)[1] == How.FULL
        run(dsn, back)
        assert faults(web) == []


def test_a_table_with_row_security_and_without_a_key_has_no_overview(
    oddity: Callable[[str], str], login: Login
) -> None:
    dsn = oddity("guarded")
    run(dsn, "ALTER TABLE public.places DROP CONSTRAINT places_pkey")
    with pytest.raises(ConfigurationError, match="row security and no key"):
        overview(dsn, "public.places", range(3))


def test_an_integer_a_text_and_a_two_column_key_lead_each_role_to_its_rows(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("guarded")
    web = login(
        dsn,
        WEB,
        f"GRANT SELECT ON public.places TO {WEB}",
        f"UPDATE public.places SET owner = '{WEB}' WHERE id % 10 = 0",
    )
    for key in ("name", "name, id", "owner, id"):
        run(
            dsn,
            "ALTER TABLE public.places DROP CONSTRAINT places_pkey CASCADE",
            f"ALTER TABLE public.places ADD CONSTRAINT places_pkey PRIMARY KEY ({key})",
        )
        overview(web, "public.places", range(3), FLAGSTONE_ADMIN_DATABASE_URL=dsn)
        assert seen(web, make_app) == (300, How.OVERVIEW), key
