"""Overviews of tables with row security: each role sees exactly its own rows, at every zoom, as policies are now."""

import re
from collections.abc import Callable

import psycopg
import pytest

from app.layers.how import How
from app.layers.identity import Identity
from app.layers.member import Member
from app.layers.request import layer_requests
from app.layers.tile import Tile
from app.repository.explanation import explain
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import attributes_of, backend_of, entry_as, ids_as, over, run

EVERYWHERE = (8.9, 46.9, 9.6, 47.7)
CORNER = (9.1, 47.05, 9.11, 47.06)
ANNA, BEN, WEB = "flagstone_anna", "flagstone_ben", "flagstone_web"
GRANTS = [
    f"GRANT SELECT ON public.places, public.areas, public.shapes, public.things TO {ANNA}, {BEN}",
    f"GRANT {ANNA}, {BEN} TO {WEB}",
]


@pytest.fixture
def guarded(oddity: Callable[[str], str], login: Login) -> tuple[str, str]:
    """The database for its superuser, who builds; and for a login that serves as anna or ben, and may read nothing itself."""
    dsn = oddity("guarded")
    login(dsn, ANNA)
    login(dsn, BEN)
    return dsn, login(dsn, WEB, *GRANTS, attributes="NOINHERIT")


def built(dsn: str, web: str, layer: str, zooms: range) -> int:
    return overview(web, layer, zooms, FLAGSTONE_ADMIN_DATABASE_URL=dsn)


@pytest.mark.parametrize("layer", ["places", "areas", "things"])
def test_each_role_sees_exactly_its_own_rows_at_every_zoom(
    guarded: tuple[str, str], make_app: MakeApp, layer: str
) -> None:
    dsn, web = guarded
    built(dsn, web, f"public.{layer}", range(8))
    app = make_app(web)
    for role in (ANNA, BEN):
        for zoom in range(15):
            box = EVERYWHERE if zoom < 11 else CORNER
            shown: set[int] = set()
            for tile in over(zoom, *box):
                entry = entry_as(app, f"public.{layer}", role, tile)
                shown |= {each["id"] for each in attributes_of(entry)}
                expected = How.OVERVIEW if zoom < 8 or layer == "places" else How.FULL
                assert entry.how == expected, (zoom, entry.how)
            seen = ids_as(dsn, role, layer, box)
            assert seen <= shown, (role, zoom)
            assert shown <= ids_as(dsn, role, layer, (-180, -85, 180, 85)), (role, zoom)
            if zoom < 11:
                assert shown == seen


@pytest.mark.parametrize("layer", ["places", "areas"])
def test_a_crowded_tile_is_thinned_among_the_rows_that_the_role_may_see(
    guarded: tuple[str, str], make_app: MakeApp, layer: str
) -> None:
    dsn, web = guarded
    built(dsn, web, f"public.{layer}", range(8))
    app = make_app(web, FLAGSTONE_MAX_FEATURES=50)
    for zoom in range(8):
        winners: dict[int, int] = {}
        for tile in over(zoom, *EVERYWHERE):
            entry = entry_as(app, f"public.{layer}", ANNA, tile)
            assert entry.how == How.SAMPLED
            winners |= {each["id"]: each["feature_count"] for each in attributes_of(entry)}
        seen = ids_as(dsn, ANNA, layer, EVERYWHERE)
        assert winners.keys() <= seen
        assert sum(winners.values()) == len(seen), zoom


def test_a_policy_that_changes_after_the_build_holds_at_once(
    guarded: tuple[str, str], make_app: MakeApp
) -> None:
    dsn, web = guarded
    built(dsn, web, "public.places", range(4))
    app = make_app(web, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_INTERVAL_S=3600)
    world = Tile(0, 0, 0)
    assert len(attributes_of(entry_as(app, "public.places", BEN, world))) == 1000
    run(dsn, "ALTER POLICY own_places ON public.places USING (owner = current_user AND id <= 30)")
    entry = entry_as(app, "public.places", BEN, world)
    assert (
        {each["id"] for each in attributes_of(entry)}
        == ids_as(dsn, BEN, "places", EVERYWHERE)
        == set(range(1, 31, 3))
    )
    assert entry.how == How.OVERVIEW
    run(
        dsn,
        "UPDATE public.places SET owner = 'nobody' WHERE id = 1",
        "DELETE FROM public.places WHERE id = 4",
    )
    assert {each["id"] for each in attributes_of(entry_as(app, "public.places", BEN, world))} == set(
        range(7, 31, 3)
    )
    run(dsn, "DROP POLICY own_places ON public.places")
    assert entry_as(app, "public.places", BEN, world).body == b""


def test_rows_of_any_width_are_found_in_every_tile_that_they_meet(
    guarded: tuple[str, str], make_app: MakeApp
) -> None:
    """By where their middle lies, which no index over their boxes says."""
    dsn, web = guarded
    number = built(dsn, web, "public.shapes", range(7))
    app = make_app(web)
    bands = {zoom: 6 if zoom > 3 else 3 if zoom > 0 else 0 for zoom in range(7)}
    for zoom in range(7):
        for tile in list(over(zoom, -80, -60, 80, 60))[:: max(1, 4**zoom // 40)]:
            shown = {
                each["id"] for each in attributes_of(entry_as(app, "public.shapes", ANNA, tile, buffer="0"))
            }
            inner, outer = (boxed(dsn, number, bands[zoom], tile, by) for by in (-0.01, 0.01))
            assert inner <= shown <= outer, tile


def boxed(dsn: str, number: int, band: int, tile: Tile, by: float) -> set[int]:
    """Anna's rows of a band whose box meets a tile that is larger by a part of its edge."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            f"""SELECT id FROM flagstone.overview_{number}_z{band}, ST_TileEnvelope({tile.z}, {tile.x}, {tile.y}) AS tile
            WHERE owner = '{ANNA}' AND "~geometry" && ST_Expand(tile, {by} * (ST_XMax(tile) - ST_XMin(tile)))""".encode()
        )
        return {number for (number,) in rows}


def test_a_tile_looks_at_the_rows_near_it_and_at_no_others(
    guarded: tuple[str, str], make_app: MakeApp
) -> None:
    """A spatial index is not asked before a policy is: PostgreSQL would ask the policy about every row."""
    dsn, web = guarded
    built(dsn, web, "public.areas", range(13))
    app = make_app(web)
    backend, identity = backend_of(app), Identity(role=ANNA)
    with app.app_context():
        layer = backend.catalog.catalog().layer("public.areas", identity)
        [request] = layer_requests(
            [Member("public.areas", layer)],
            backend.grids.get("WebMercatorQuad"),
            {},
            backend.settings,
            identity,
        )
        [tile] = over(12, 9.1, 47.05, 9.1, 47.05)
        said = explain(backend.tiles, backend.pool, request, tile, backend.catalog.postgis, analyze=True)
    assert said.relation.startswith("flagstone.overview_")
    plan = "\n".join(said.plan)
    assert re.search(r'Index Cond: \(\("~x" >= ', plan), plan
    assert not re.search(r"Seq Scan on overview", plan), plan


@pytest.mark.parametrize(("table", "band"), [("places", 0), ("areas", 18)])
def test_the_command_builds_one_band_for_all_zooms_of_rows_with_few_vertices(
    guarded: tuple[str, str], make_app: MakeApp, table: str, band: int
) -> None:
    dsn, web = guarded
    settings = {"FLAGSTONE_ADMIN_DATABASE_URL": dsn, "FLAGSTONE_MAX_FEATURES": 200}
    app = make_app(web, **settings)
    done = app.test_cli_runner().invoke(args=["overviews", "build", f"public.{table}"])
    assert done.exit_code == 0, done.output
    with psycopg.connect(dsn) as connection:
        bands = connection.execute(
            "SELECT zoom FROM flagstone.overview_band WHERE kind <> 'blocks'"
        ).fetchall()
    assert len(bands) == 1
    assert bands[0][0] >= band
    app = make_app(web, **settings)
    [tile] = over(15, 9.1, 47.05, 9.1, 47.05)
    entry = entry_as(app, f"public.{table}", ANNA, tile)
    assert entry.how == How.OVERVIEW
    assert {each["id"] for each in attributes_of(entry)} <= ids_as(dsn, ANNA, table, EVERYWHERE)
    assert entry_as(app, f"public.{table}", ANNA, Tile(0, 0, 0)).how == How.SAMPLED
