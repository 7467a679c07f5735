"""The overview of a table with row security is kept fresh by who built it, whom its policies bind too."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from app.layers.how import How
from app.layers.tile import Tile
from tests.conftest import Login, MakeApp
from tests.overview_builds import band
from tests.overview_readers import attributes_of, entry_as, run
from tests.overview_refreshes import kept

OWNER, ANNA = "flagstone_owner", "flagstone_anna"
WORLD = Tile(0, 0, 0)


@pytest.mark.parametrize("by_owner", [True, False])
def test_rows_that_changed_are_shown_to_who_may_see_them_after_a_refresh(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp, *, by_owner: bool
) -> None:
    dsn = oddity("guarded")
    login(dsn, ANNA, f"GRANT SELECT ON public.areas TO {ANNA}")
    owner = login(dsn, OWNER, f"GRANT {ANNA} TO {OWNER}", f"ALTER TABLE public.areas OWNER TO {OWNER}")
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    run(dsn, f'GRANT CREATE ON DATABASE "{name}" TO {OWNER}')
    with kept(owner if by_owner else dsn, "public.areas", range(7)) as overview:
        number = overview.build()
        run(
            dsn, "DELETE FROM public.areas WHERE id = 2", "UPDATE public.areas SET owner = 'nobody' WHERE id = 4",
            "UPDATE public.areas SET geom = ST_Translate(geom, 1, 1) WHERE id = 6",
            "INSERT INTO public.areas SELECT 9000, 'flagstone_anna', geom FROM public.areas WHERE id = 8",
        )  # fmt: skip
        done = overview.refresh()
        assert done.rebuilt is None
        assert done.rows > 0
        # All of it, as a superuser sees it: nothing is missing that a policy would have hidden from the refresh.
        for zoom in (0, 3, 6):
            rows = dict(band(dsn, number, zoom, "band.id, band.owner"))
            assert len(rows) == 800
            assert 2 not in rows
            assert (rows[4], rows[9000]) == ("nobody", "flagstone_anna")
    with psycopg.connect(dsn) as connection:
        forced = connection.execute(
            "SELECT bool_and(relrowsecurity AND relforcerowsecurity) FROM pg_class c WHERE relnamespace = 'flagstone'::regnamespace"
            " AND EXISTS (SELECT FROM flagstone.overview_band b WHERE b.relation = c.oid AND b.kind = 'band')"
        ).fetchone()
    assert forced == (True,)
    if by_owner:
        entry = entry_as(make_app(owner, CACHE_TYPE="NullCache"), "public.areas", ANNA, WORLD)
        assert entry.how == How.OVERVIEW
        assert {each["id"] for each in attributes_of(entry)} == {*range(6, 801, 2), 9000}
