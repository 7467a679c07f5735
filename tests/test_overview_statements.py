"""What is remembered of a band's statement fits the band as it is, and reads nothing that the role may not."""

from __future__ import annotations

import gzip
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from mapbox_vector_tile import decode

from app.layers.band_layer import BandLayer, Dot, PiecedLayer, stored
from app.layers.how import How
from app.layers.identity import ANONYMOUS
from app.layers.member import Member
from app.layers.overview import BandPlan, Lattice
from app.layers.relation import RelationLayer
from app.layers.request import layer_requests
from app.layers.tile import Tile
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.overview_readers import attributes_of, backend_of, entry_as, run
from tests.overview_refreshes import kept

WORLD = Tile(0, 0, 0)
WEB = "flagstone_web"
LAKES = (
    "CREATE TABLE public.lakes (id int PRIMARY KEY, name text, depth int, geom geometry(Polygon, 3857))",
    "INSERT INTO public.lakes SELECT n, 'lake ' || n, 10 * n, ST_Buffer(ST_SetSRID(ST_MakePoint(n * 1e6, 5e5), 3857), 2e5)"
    " FROM generate_series(1, 4) AS n",
)
SEA = (
    "INSERT INTO public.lakes VALUES (100, 'sea', 4000, ST_Buffer(ST_SetSRID(ST_MakePoint(0, 0), 3857), 4e6, 400))"
)
AT = Tile(4, 8, 7)
"""A tile of a sea that is wider than two."""


def asked(dsn: str, make_app: MakeApp, zoom: int) -> Any:
    """The layer as its overview answers a zoom."""
    backend = backend_of(make_app(dsn))
    found = backend.catalog.catalog().layer("public.lakes", ANONYMOUS)
    [request] = layer_requests(
        [Member("public.lakes", found)], backend.grids.get("WebMercatorQuad"), {}, backend.settings, ANONYMOUS
    )
    return stored(request, zoom, 3857).layer


def test_a_band_that_holds_pieces_since_a_refresh_is_asked_for_them(database: str, make_app: MakeApp) -> None:
    run(database, *LAKES)
    app = make_app(database, FLAGSTONE_CATALOG_INTERVAL_S=3600)
    with kept(database, "public.lakes", range(5)) as there:
        assert entry_as(app, "public.lakes", None, AT).how == How.OVERVIEW
        run(database, SEA)
        there.refresh()
        assert there.rebuilt == []
        backend_of(app).catalog.reload()
        entry = entry_as(app, "public.lakes", None, AT)
        [layer] = decode(gzip.decompress(entry.body)).values()
        drawn = [each["geometry"]["type"] for each in layer["features"] if each["properties"]["name"] == "sea"]
        assert drawn in (["Polygon"], ["MultiPolygon"])


def test_the_digest_of_a_band_has_all_that_decides_its_statement(database: str, make_app: MakeApp) -> None:
    run(database, *LAKES, SEA)
    overview(database, "public.lakes", range(5), pieces=True)
    layer = asked(database, make_app, 0)
    assert isinstance(layer, BandLayer)
    others: dict[str, Any] = {
        "in_pieces": not layer.in_pieces, "piece": "other", "shape": "other", "lattice": Lattice(1.0, 2.0, 3.0), "counted": "other",
        "summed": (1,), "dot": Dot("x", "y", "width", 7.0), "single_rows": BandPlan(3, 1.0), "name": "other", "schema": "other",
    }  # fmt: skip
    own = {each.name for each in fields(BandLayer)} - {each.name for each in fields(RelationLayer)}
    assert own <= others.keys()
    digests = {replace(layer, **{name: value}).digest for name, value in others.items()}
    assert len(digests | {layer.digest}) == len(others) + 1


def test_the_digest_of_a_layer_beside_pieces_has_all_that_decides_its_statement(
    database: str, make_app: MakeApp
) -> None:
    run(database, *LAKES, SEA)
    overview(database, "public.lakes", range(5), pieces=True)
    layer = asked(database, make_app, 7)
    assert isinstance(layer, PiecedLayer)
    names = replace(layer.names, piece="other")
    others: dict[str, Any] = {
        "pieces": replace(layer.pieces, table="other"), "names": names, "lattice": Lattice(1.0, 2.0, 3.0), "grid_srid": 1,
    }  # fmt: skip
    own = {each.name for each in fields(PiecedLayer)} - {each.name for each in fields(RelationLayer)}
    assert own <= others.keys()
    digests = {replace(layer, **{name: value}).digest for name, value in others.items()}
    assert len(digests | {layer.digest}) == len(others) + 1
    # A refresh changes the number of rows, and no statement.
    assert replace(layer, pieces=replace(layer.pieces, rows=77)).digest == layer.digest


@pytest.mark.parametrize("lost", ["~geometry", "feature_count", "~x", "~width"])
def test_a_role_that_may_not_read_what_a_band_adds_is_served_from_the_table(
    database: str, login: Login, make_app: MakeApp, lost: str
) -> None:
    run(database, *LAKES)
    web = login(database, WEB, f"GRANT SELECT (id, name, geom) ON public.lakes TO {WEB}")
    number = overview(web, "public.lakes", range(3), FLAGSTONE_ADMIN_DATABASE_URL=database)
    assert entry_as(make_app(web), "public.lakes", None, WORLD).how == How.OVERVIEW
    # Of one band alone: what is asked is whether all of them may be read.
    run(database, f'REVOKE SELECT ("{lost}") ON flagstone.overview_{number}_z0 FROM {WEB}')
    entry = entry_as(make_app(web), "public.lakes", None, WORLD)
    assert entry.how == How.FULL
    assert len(attributes_of(entry)) == 4


def test_a_role_that_may_not_read_a_piece_of_a_band_in_pieces_is_served_from_the_table(
    database: str, login: Login, make_app: MakeApp
) -> None:
    run(database, *LAKES, SEA)
    web = login(database, WEB, f"GRANT SELECT (id, name, geom) ON public.lakes TO {WEB}")
    number = overview(web, "public.lakes", range(5), FLAGSTONE_ADMIN_DATABASE_URL=database)
    assert entry_as(make_app(web), "public.lakes", None, AT).how == How.OVERVIEW
    run(database, f'REVOKE SELECT ("~piece") ON flagstone.overview_{number}_z4 FROM {WEB}')
    assert entry_as(make_app(web), "public.lakes", None, AT).how == How.FULL


@pytest.mark.parametrize("wide", [True, False])
def test_a_mean_in_a_thinned_tile_of_a_band_is_for_roles_with_some_columns_too(
    database: str, login: Login, make_app: MakeApp, tmp_path: Path, wide: bool
) -> None:
    crowd = (
        "INSERT INTO public.lakes SELECT n, 'pond', 7, ST_Expand(ST_SetSRID(ST_MakePoint(n * 7919 % 2400 * 1e3, n * 31 % 2400 * 1e3), 3857), 1e3)"
        " FROM generate_series(1001, 2000) AS n"
    )
    run(database, *LAKES, crowd, *([SEA] if wide else []))
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.lakes"]\noverview = {mean = ["depth"]}\n')
    settings: dict[str, Any] = {"FLAGSTONE_LAYERS_FILE": str(file)}
    web = login(database, WEB, f"GRANT SELECT (id, depth, geom) ON public.lakes TO {WEB}")
    number = overview(web, "public.lakes", range(5), FLAGSTONE_ADMIN_DATABASE_URL=database, **settings)
    # Anything is too much for a tile of so few bytes: features of a band are thinned once more.
    app = make_app(web, FLAGSTONE_TILE_BUDGET_KB=3, **settings)
    entry = entry_as(app, "public.lakes", None, AT)
    assert entry.how == How.SAMPLED
    assert {each["depth_mean"] for each in attributes_of(entry) if each["depth"] == 7} == {7}
    run(database, f'REVOKE SELECT ("~depth rows") ON flagstone.overview_{number}_z4 FROM {WEB}')
    assert "depth_mean" not in attributes_of(entry_as(make_app(web, **settings), "public.lakes", None, AT))[0]
