"""Composites that the layers file names: a name like a layer's at every address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.tile_decoding import decoded, get

_TABLES = """
CREATE TABLE {name} (id int PRIMARY KEY, kind text, geom geometry(Point, 4326));
INSERT INTO {name} SELECT n, CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END, ST_Point(n, n, 4326) FROM generate_series(1, 20) n;
"""
_BASE = """
[composites.base]
title = "Base map"
description = "Points of all kinds"
attribution = "Us"
layers = [
    "public.a",
    {layer = "public.b", name = "few", limit = 3, minzoom = 2, maxzoom = 8, buffer = 0, columns = ["kind"]},
    {layer = "public.a", name = "odd", filter = "kind = 'odd'", rank = "-id"},
]
"""


@pytest.fixture
def tables(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        for name in ("a", "b", "c"):
            connection.execute(_TABLES.format(name=name).encode())
    return database


@pytest.fixture
def app_with(tables: str, make_app: MakeApp, tmp_path: Path) -> Callable[..., Flask]:
    def make(text: str = _BASE, dsn: str | None = None, **settings: str) -> Flask:
        file = tmp_path / "layers.toml"
        file.write_text(text)
        return make_app(dsn or tables, FLAGSTONE_LAYERS_FILE=str(file), **settings)

    return make


def _counts(app: Flask, path: str) -> dict[str, int]:
    return {name: len(layer["features"]) for name, layer in decoded(get(app, path)).items()}


def _json(app: Flask, path: str) -> Any:
    response = get(app, path)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def test_its_tile_holds_its_members_by_their_own_names_and_options(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    assert _counts(app, "/tiles/base/2/2/1") == {"public.a": 20, "few": 3, "odd": 10}
    layers = decoded(get(app, "/tiles/WebMercatorQuad/base/2/2/1.pbf?odd.limit=2"))
    assert [feature["properties"]["id"] for feature in layers["odd"]["features"]] == [19, 17]
    assert set(layers["few"]["features"][0]["properties"]) == {"kind"}


def test_members_have_the_zooms_that_they_have_here(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    assert set(_counts(app, "/tiles/base/1/1/0")) == {"public.a", "odd"}
    assert set(_counts(app, "/tiles/base/9/263/248")) == {"public.a", "odd"}
    app = app_with(_BASE.replace('title = "Base map"', "minzoom = 1\nmaxzoom = 5"))
    assert get(app, "/tiles/base/0/0/0").status_code == 404
    assert get(app, "/tiles/base/6/33/31").status_code == 404
    assert _json(app, "/base/tilejson.json")["maxzoom"] == 5


def test_a_member_may_not_have_more_zooms_than_its_layer_says_nothing_of(app_with: Callable[..., Flask]) -> None:
    app = app_with('[layers."public.a"]\nminzoom = 3\n[composites.base]\nminzoom = 1\nlayers = ["public.a", "public.b"]')
    assert set(_counts(app, "/tiles/base/2/2/1")) == {"public.b"}
    assert set(_counts(app, "/tiles/base/3/4/3")) == {"public.a", "public.b"}


def test_a_members_filter_adds_to_the_layers_own(app_with: Callable[..., Flask]) -> None:
    app = app_with(
        '[layers."public.a"]\nfilter = "id <= 10"\n[composites.base]\nlayers = [{layer = "public.a", filter = "kind = \'odd\' OR id = 15"}]'
    )
    assert _counts(app, "/tiles/base/0/0/0") == {"public.a": 5}
    assert _counts(app, "/tiles/base/0/0/0?filter=id=15 OR id=1") == {"public.a": 1}


def test_a_members_filter_and_rank_may_use_what_its_layer_does_not_serve(app_with: Callable[..., Flask]) -> None:
    app = app_with(
        '[layers."public.a"]\ncolumns = ["id"]\n'
        '[composites.base]\nlayers = [{layer = "public.a", filter = "kind = \'odd\'", rank = ["-kind", "-id"], limit = 2}]'
    )
    layer = decoded(get(app, "/tiles/base/0/0/0"))["public.a"]
    assert [feature["properties"] for feature in layer["features"]] == [{"id": 19}, {"id": 17}]


def test_its_tilejson_describes_what_its_tiles_hold(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    document = _json(app, "/base/tilejson.json")
    assert (document["name"], document["description"], document["attribution"]) == ("base", "Points of all kinds", "Us")
    assert document["tiles"] == ["http://localhost/tiles/base/{z}/{x}/{y}"]
    assert [(layer["id"], layer["minzoom"], layer["maxzoom"]) for layer in document["vector_layers"]] == [
        ("public.a", 0, 22), ("few", 2, 8), ("odd", 0, 22),
    ]  # fmt: skip
    assert document["vector_layers"][1]["fields"] == {"kind": "String"}
    held = decoded(get(app, document["tiles"][0].replace("http://localhost", "").format(z=3, x=4, y=3)))
    assert set(held) <= {layer["id"] for layer in document["vector_layers"]}


def test_its_own_parameters_reach_its_tiles_through_tilejson(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    document = _json(app, "/base/tilejson.json?few.limit=1&odd.columns=id")
    address = document["tiles"][0].replace("http://localhost", "").format(z=2, x=2, y=1)
    layers = decoded(get(app, address))
    assert len(layers["few"]["features"]) == 1
    assert set(layers["odd"]["features"][0]["properties"]) == {"id"}


def test_style_and_map_page_show_it(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    style = _json(app, "/base/style.json")
    assert style["sources"]["flagstone"]["url"] == "http://localhost/base/tilejson.json"
    assert {layer["source-layer"] for layer in style["layers"] if "source-layer" in layer} == {"public.a", "few", "odd"}
    page = get(app, "/base/viewer", Accept="text/html").get_data(as_text=True)
    assert "few" in page
    assert "base/tilejson.json" in page


def test_the_list_shows_it_to_people_and_programs(app_with: Callable[..., Flask]) -> None:
    app = app_with(_BASE.replace('"Us"', "'<b onclick=x>Us</b>'"))
    found = _json(app, "/?f=json")["composites"]
    assert len(found) == 1
    assert (found[0]["id"], found[0]["title"], found[0]["attribution"]) == ("base", "Base map", "Us")
    assert found[0]["layers"][1] == {"id": "public.b", "name": "few"}
    assert found[0]["tilejson"] == "http://localhost/base/tilejson.json"
    page = get(app, "/?f=html").get_data(as_text=True)
    assert 'href="./base/viewer"' in page
    assert "Points of all kinds" in page
    assert "base/viewer" not in get(app, "/?f=html&q=nothing").get_data(as_text=True)


def test_a_list_may_name_it_beside_layers(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    assert _counts(app, "/tiles/base,c/2/2/1?c.limit=4") == {"public.a": 20, "few": 3, "odd": 10, "public.c": 4}
    assert get(app, "/tiles/base,base/2/2/1").status_code == 400
    assert get(app, "/tiles/base,public.a/2/2/1").status_code == 400
    document = _json(app, "/base,c/tilejson.json")
    assert document["tiles"] == ["http://localhost/tiles/base,public.c/{z}/{x}/{y}"]
    assert get(app_with(FLAGSTONE_MAX_COMPOSITE="3"), "/tiles/base,c/2/2/1").status_code == 400


def test_a_composite_goes_before_a_bare_name_and_behind_an_id(app_with: Callable[..., Flask]) -> None:
    app = app_with('[composites.a]\nlayers = ["public.b"]')
    assert set(_counts(app, "/tiles/a/0/0/0")) == {"public.b"}
    assert set(_counts(app, "/tiles/public.a/0/0/0")) == {"public.a"}
    # The list of layers does not claim that the bare name leads to the table.
    assert "<code>a</code>" not in get(app, "/?f=html").get_data(as_text=True)
    assert "<code>b</code>" in get(app, "/?f=html").get_data(as_text=True)


def test_before_and_after_the_catalog_is_loaded_it_is_the_same(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    before = get(app, "/tiles/base/2/2/1").headers["ETag"]
    app.extensions["flagstone"].catalog.reload()
    assert get(app, "/tiles/base/2/2/1").headers["ETag"] == before


def test_members_that_the_database_lacks_are_left_out_with_a_warning(app_with: Callable[..., Flask], tables: str, tmp_path: Path) -> None:
    app = app_with('[layers."public.c"]\nhidden = true\n[composites.base]\nlayers = ["public.x", "public.a", "public.c"]\n'
                   '[composites.none]\nlayers = ["public.x"]')  # fmt: skip
    assert set(_counts(app, "/tiles/base/0/0/0")) == {"public.a"}
    assert get(app, "/tiles/none/0/0/0").status_code == 404
    assert [each["id"] for each in _json(app, "/?f=json")["composites"]] == ["base"]
    notices = "\n".join(catalog_of(tables, FLAGSTONE_LAYERS_FILE=str(tmp_path / "layers.toml")).notices)
    assert '[composites."base"] layers[0] (public.x): there is no such layer' in notices
    assert '[composites."base"] layers[2] (public.c): that layer is hidden' in notices
    assert '[composites."none"] has no layer that could be served' in notices


def test_a_member_whose_filter_cannot_be_understood_is_left_out(app_with: Callable[..., Flask]) -> None:
    app = app_with('[composites.base]\nlayers = ["public.b", {layer = "public.a", filter = "nothing = 1"}]')
    assert set(_counts(app, "/tiles/base/0/0/0")) == {"public.b"}


def test_members_that_the_login_may_not_read_are_not_there(app_with: Callable[..., Flask], tables: str, login: Login) -> None:
    app = app_with(dsn=login(tables, "reader", "GRANT SELECT ON b TO reader"))
    assert set(_counts(app, "/tiles/base/2/2/1")) == {"few"}
    assert [layer["id"] for layer in _json(app, "/base/tilejson.json")["vector_layers"]] == ["few"]


def test_near_names_know_it(app_with: Callable[..., Flask]) -> None:
    assert get(app_with(), "/tiles/bsae/0/0/0").get_json()["nearest"] == ["base"]


def test_a_member_that_the_database_refuses_is_a_500_as_the_layer_alone_is(app_with: Callable[..., Flask], tables: str) -> None:
    with psycopg.connect(tables, autocommit=True) as connection:
        connection.execute("CREATE VIEW broken AS SELECT id, geom FROM a WHERE 1 / (id - id) = 1")
    app = app_with('[composites.base]\nlayers = ["public.a", {layer = "public.broken", name = "x", limit = 5}]',
                   FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")  # fmt: skip
    app.extensions["flagstone"].catalog.reload()
    assert get(app, "/tiles/broken/0/0/0").status_code == 500
    assert get(app, "/tiles/base/0/0/0").status_code == 500


def test_other_servers_addresses_know_it_too(app_with: Callable[..., Flask]) -> None:
    app = app_with()
    assert _counts(app, "/base/2/2/1") == {"public.a": 20, "few": 3, "odd": 10}
    assert get(app, "/base/2/2/1.pbf").headers["Location"].endswith("/base/2/2/1")
    assert _json(app, "/base")["vector_layers"][2]["id"] == "odd"
    assert "base" in _json(app, "/catalog")["tiles"]


def test_a_geometry_column_of_the_request_changes_no_member(app_with: Callable[..., Flask], tables: str) -> None:
    with psycopg.connect(tables, autocommit=True) as connection:
        connection.execute("ALTER TABLE a ADD COLUMN other geometry(Point, 4326); UPDATE a SET other = geom")
    app = app_with()
    assert _counts(app, "/tiles/base/2/2/1?geom-column=other") == {"public.a": 20, "few": 3, "odd": 10}
