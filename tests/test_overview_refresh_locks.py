"""A refresh makes nobody wait who reads, and waits for nobody who reads: with and without row security."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from app.errors import OverviewError
from app.layers.how import How
from app.layers.tile import Tile
from app.repository.overviews.refresh import Refreshed, refresh
from tests.conftest import Login, MakeApp
from tests.overview_readers import attributes_of, entry_as, run
from tests.overview_refreshes import Kept, assert_equals_a_build, kept

OWNER, ANNA = "flagstone_owner", "flagstone_anna"
WORLD = Tile(0, 0, 0)
EDITS = (
    "DELETE FROM public.areas WHERE id = 2",
    "UPDATE public.areas SET geom = ST_Translate(geom, 1, 1) WHERE id = 6",
    "INSERT INTO public.areas SELECT 9000, 'flagstone_anna', geom FROM public.areas WHERE id = 8",
)


@pytest.fixture(params=["built by a superuser", "built by the owner"])
def guarded(
    request: pytest.FixtureRequest, oddity: Callable[[str], str], login: Login
) -> tuple[str, str, dict[str, Any]]:
    """The database for its superuser, for the table's owner, who serves, and who builds: that is the owner too, whom the
    policies of bands bind, or the superuser."""
    dsn = oddity("guarded")
    login(dsn, ANNA, f"GRANT SELECT ON public.areas TO {ANNA}")
    owner = login(dsn, OWNER, f"GRANT {ANNA} TO {OWNER}", f"ALTER TABLE public.areas OWNER TO {OWNER}")
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    run(dsn, f'GRANT CREATE ON DATABASE "{name}" TO {OWNER}')
    return dsn, owner, {} if request.param.endswith("owner") else {"FLAGSTONE_ADMIN_DATABASE_URL": dsn}


def refreshed(made: Kept, then: Callable[[], None]) -> Refreshed:
    """A refresh; `then` is called when all is done in its transaction, which is open yet. Who waits for a lock fails."""
    made.connection.execute("SET lock_timeout = '2s'")

    def report(what: str, _done: int, _steps: int) -> None:
        if what == "done":
            then()

    def rebuild(_plan: object) -> None:
        pytest.fail("a build is not what was asked for")

    return refresh(made.connection, made.target, rebuild, report)


@contextmanager
def reading(dsn: str, *tables: str) -> Iterator[Connection]:
    """Somebody in the middle of a transaction that has read these tables."""
    with psycopg.connect(dsn) as reader:
        for table in tables:
            reader.execute(f"SELECT count(*) FROM {table}".encode())
        yield reader


def bands(made: Kept) -> list[str]:
    found = made.editor.execute(
        "SELECT relation::regclass::text FROM flagstone.overview_band WHERE kind <> 'blocks'"
    ).fetchall()
    return [name for (name,) in found]


def test_a_long_reader_of_every_band_does_not_keep_a_refresh_waiting(
    guarded: tuple[str, str, dict[str, Any]],
) -> None:
    dsn, owner, admin = guarded
    with kept(owner, "public.areas", range(5), **admin) as made:
        run(dsn, *EDITS)
        with reading(dsn, *bands(made), "public.areas", "flagstone.overview", "flagstone.overview_band"):
            assert refreshed(made, lambda: None).rows > 0
        run(dsn, "DELETE FROM public.areas WHERE id = 9000")
        with reading(dsn, *bands(made)):
            assert refreshed(made, lambda: None).rows > 0
        assert_equals_a_build_as(dsn, made)


def assert_equals_a_build_as(dsn: str, made: Kept) -> None:
    with psycopg.connect(dsn, autocommit=True) as made.editor:
        made.editor.execute("SET search_path = public, gis")
        assert_equals_a_build(made)


def test_tiles_are_answered_while_a_refresh_is_not_committed_yet(
    guarded: tuple[str, str, dict[str, Any]], make_app: MakeApp
) -> None:
    dsn, owner, admin = guarded
    app = make_app(owner, CACHE_TYPE="NullCache", FLAGSTONE_STATEMENT_TIMEOUT_MS=3000)
    with kept(owner, "public.areas", range(5), **admin) as made:
        app.extensions["flagstone"].catalog.reload()
        run(dsn, *EDITS)
        seen: list[set[int]] = []

        def look() -> None:
            entry = entry_as(app, "public.areas", ANNA, WORLD)
            assert entry.how == How.OVERVIEW
            seen.append({each["id"] for each in attributes_of(entry)})

        refreshed(made, look)
        look()
    before, after = seen
    # The band as it was, of which a row that is gone is shown to nobody; then the band as it is.
    assert 9000 not in before and 2 not in before
    assert after == {*range(4, 801, 2), 9000}


def test_who_serves_by_bands_of_its_own_is_not_shown_more_by_what_lets_a_refresh_see_all(
    oddity: Callable[[str], str], login: Login
) -> None:
    dsn = oddity("guarded")
    owner = login(dsn, OWNER, f"ALTER TABLE public.areas OWNER TO {OWNER}")
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    run(dsn, f'GRANT CREATE ON DATABASE "{name}" TO {OWNER}')
    with kept(owner, "public.areas", range(2)):
        run(dsn, "ALTER TABLE public.areas FORCE ROW LEVEL SECURITY")
    with psycopg.connect(owner) as reader:
        reader.read_only = True
        count = "SELECT count(*) FROM flagstone.overview_1_z1"
        assert reader.execute(count).fetchone() == (0,)
        reader.execute("SET LOCAL flagstone.refreshes = 'on'")
        assert reader.execute(count).fetchone() == (0,)


def test_a_policy_that_somebody_changed_is_put_right_or_who_holds_it_is_told(
    guarded: tuple[str, str, dict[str, Any]],
) -> None:
    dsn, owner, admin = guarded
    with kept(owner, "public.areas", range(2), **admin) as made:
        policies = "SELECT array_agg(pg_get_expr(polqual, polrelid) ORDER BY polrelid, polname) FROM pg_policy WHERE polrelid <> 'areas'::regclass"
        with psycopg.connect(dsn, autocommit=True) as connection:
            right = connection.execute(policies).fetchone()
        run(dsn, "ALTER POLICY flagstone_as_its_table ON flagstone.overview_1_z1 USING (true)")
        run(dsn, *EDITS)
        with (
            reading(dsn, "flagstone.overview_1_z1"),
            pytest.raises(OverviewError, match="keeps the table locked"),
        ):
            made.refresh()
        assert made.refresh().rows > 0
        with psycopg.connect(dsn, autocommit=True) as connection:
            assert connection.execute(policies).fetchone() == right


def test_a_table_without_row_security_is_refreshed_beside_readers_too(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"CREATE TABLE public.places (id int PRIMARY KEY, geom geometry(Point, 4326));"
            b"INSERT INTO public.places SELECT n, ST_SetSRID(ST_MakePoint(n % 360 - 180, n % 170 - 85), 4326) FROM generate_series(1, 900) AS n"
        )
    with kept(database, "public.places", range(3)) as made:
        made.edit("DELETE FROM places WHERE id < 9")
        with reading(database, *bands(made), "public.places"):
            assert refreshed(made, lambda: None).rows > 0
        assert_equals_a_build(made)
