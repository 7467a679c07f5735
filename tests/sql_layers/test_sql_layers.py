"""Layers that are statements of the application: what comes of their rows, their parameters and their tiles."""

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask

from app.layers.identity import ANONYMOUS, Identity
from tests.tile_decoding import attributes, decoded, drawn, features, get


def test_a_file_is_a_layer_with_attributes_and_geometry(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(some="SELECT id, name, born, size, geom FROM squares WHERE geom && :bounds")
    found = features(app, "/tiles/some/5/16/15")
    assert {feature["properties"]["id"] for feature in found} == set(range(10))
    first = next(feature for feature in found if feature["properties"]["id"] == 0)
    assert first["properties"] == {"id": 0, "name": "square 0", "born": "2024-01-01", "size": 0}
    assert drawn(first).bounds == pytest.approx((0, 4096 - 364, 364, 4096), abs=1)


def test_the_box_is_that_of_the_tile_with_its_buffer(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(box="""
        SELECT ST_XMin(:bounds) AS xmin, ST_XMax(:bounds) AS xmax, ST_SRID(:bounds) AS srid, :srid AS said,
               :z AS z, :x AS x, :y AS y, ST_Centroid(:bounds) AS geom
    """)  # fmt: skip
    [said] = attributes(app, "/tiles/box/2/1/1")
    assert said["xmin"] == pytest.approx(-90 - 90 / 16)
    assert said["xmax"] == pytest.approx(0 + 90 / 16)
    assert (said["srid"], said["said"], said["z"], said["x"], said["y"]) == (4326, 4326, 2, 1, 1)
    [narrow] = attributes(app, "/tiles/box/2/1/1?buffer=0")
    assert narrow["xmin"] == pytest.approx(-90)


def test_the_box_is_in_the_reference_system_of_the_geometry(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(
        typed="SELECT :srid AS srid, ST_SRID(:bounds) AS box, geom::geometry(Polygon, 3857) FROM ("
        "SELECT ST_MakeEnvelope(0, 0, 9e5, 9e5, 3857) AS geom) AS one",
        said="-- srid: 3035\nSELECT :srid AS srid, ST_SRID(:bounds) AS box, ST_Centroid(:bounds) AS geom",
    )
    assert attributes(app, "/tiles/typed/3/4/3") == [{"srid": 3857, "box": 3857}]
    assert attributes(app, "/tiles/said/5/16/10") == [{"srid": 3035, "box": 3035}]
    # No box of a European projection is certain for the whole world: then it is all that the projection is made for.
    assert decoded(get(app, "/tiles/said/0/0/0")).keys() <= {"said"}


def test_a_tile_across_180_degrees_gets_both_boxes(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(
        pacific="SELECT 1 AS a, ST_SetSRID(p.geom, 4326) AS geom FROM (VALUES (ST_MakePoint(179.9, 0.1)),"
        "(ST_MakePoint(-179.9, 0.1)), (ST_MakePoint(0, 0))) AS p (geom) WHERE ST_SetSRID(p.geom, 4326) && :bounds"
    )
    assert len(features(app, "/tiles/pacific/3/7/3")) >= 1


def test_a_parameter_narrows_what_comes(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(least="-- parameter: least integer = 3 -- Smallest id\nSELECT id, geom FROM squares WHERE id >= :least")
    assert {row["id"] for row in attributes(app, "/tiles/least/5/16/15")} == set(range(3, 10))
    assert {row["id"] for row in attributes(app, "/tiles/least/5/16/15?least=8")} == {8, 9}
    assert get(app, "/tiles/least/5/16/15?least=100").status_code == 204


def test_the_rows_can_be_filtered_limited_and_chosen_by_column_as_those_of_a_table(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(rows="-- id_column: id\nSELECT id, name, geom FROM squares WHERE geom && :bounds")
    assert attributes(app, "/tiles/rows/5/16/15?columns=name&limit=1") == [{"name": "square 0"}]
    assert get(app, "/tiles/rows/5/16/15?limit=1").headers["Flagstone-Tile"] == "limited"
    assert attributes(app, "/tiles/rows/5/16/15?id=7&columns=id") == [{"id": 7}]
    assert attributes(app, "/tiles/rows/5/16/15?filter=id%3E8&columns=id") == [{"id": 9}]
    assert {feature["id"] for feature in features(app, "/tiles/rows/5/16/15")} == set(range(10))
    assert get(app, "/tiles/rows/5/16/15?columns=nme").status_code == 400


def test_a_parameter_of_the_name_of_a_column_is_no_filter(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(named="-- parameter: id integer = 3\nSELECT id, geom FROM squares WHERE id >= :id")
    assert {row["id"] for row in attributes(app, "/tiles/named/5/16/15?id=8")} == {8, 9}


def test_a_statement_of_one_bytea_is_the_finished_tile(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(finished="""
        -- parameter: depth integer = 2 -- Squares along the edge
        -- minzoom: 1
        WITH cells AS (
            SELECT a * :depth + b AS id, ST_AsMVTGeom(
                ST_SetSRID(ST_MakeEnvelope(
                    ST_XMin(:envelope) + (ST_XMax(:envelope) - ST_XMin(:envelope)) * a / :depth, ST_YMin(:envelope),
                    ST_XMin(:envelope) + (ST_XMax(:envelope) - ST_XMin(:envelope)) * (a + 1) / :depth, ST_YMax(:envelope)
                ), :srid), :envelope, :extent, :buffer) AS geom
            FROM generate_series(0, :depth - 1) AS a, generate_series(0, 0) AS b
        )
        SELECT ST_AsMVT(cells.*, :layer, :extent) FROM cells
    """.replace("\n        ", "\n").lstrip())  # fmt: skip
    layers = decoded(get(app, "/tiles/finished/3/1/2?depth=3"))
    assert list(layers) == ["finished"]
    assert len(layers["finished"]["features"]) == 3
    assert len(decoded(get(app, "/tiles/finished/3/1/2"))["finished"]["features"]) == 2
    # In another grid the box is that grid's.
    assert len(decoded(get(app, "/tiles/WorldCRS84Quad/finished/3/1/2"))["finished"]["features"]) == 2
    assert get(app, "/tiles/finished/0/0/0").status_code == 404


@pytest.mark.parametrize("text", ["SELECT NULL::bytea AS tile", "SELECT ''::bytea AS tile", "SELECT 'x'::bytea AS tile WHERE false"])
def test_null_and_no_row_are_an_empty_tile(sql_app: Callable[..., Flask], text: str) -> None:
    assert get(sql_app(none=text), "/tiles/none/0/0/0").status_code == 204


def test_rows_without_geometry_or_far_from_the_tile_are_not_in_it(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(careless="SELECT id, CASE WHEN id > 5 THEN geom END AS geom FROM squares")
    assert get(app, "/tiles/careless/5/1/1").status_code == 204
    assert {row["id"] for row in attributes(app, "/tiles/careless/5/16/15")} == {6, 7, 8, 9}


def test_two_layers_of_statements_share_a_tile_with_a_table(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(a="-- parameter: n int = 1\nSELECT id, geom FROM squares WHERE id < :n", b="SELECT geom FROM squares WHERE id = 9")
    layers = decoded(get(app, "/tiles/a,b,public.squares/5/16/15?a.n=4"))
    assert {name: len(layer["features"]) for name, layer in layers.items()} == {"a": 4, "b": 1, "public.squares": 10}


def test_a_registered_id_goes_before_a_table_of_that_name(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(squares="SELECT 'registered' AS who, geom FROM squares WHERE id = 0")
    assert attributes(app, "/tiles/squares/5/16/15") == [{"who": "registered"}]
    assert len(features(app, "/tiles/public.squares/5/16/15")) == 10
    app.extensions["flagstone"].catalog.reload()
    assert attributes(app, "/tiles/squares/5/16/15") == [{"who": "registered"}]


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE squares; --", "' OR true --", "%s", "%(x)s", "$1", "\\", "☃", ":z", "", "square 1\t", "'" * 500]
)
def test_a_text_of_any_kind_is_a_value(sql_app: Callable[..., Flask], value: str) -> None:
    app = sql_app(echo="-- parameter: t text\nSELECT :t AS said, '100 %' AS p, ST_Centroid(:bounds) AS geom")
    response = app.test_client().get("/tiles/echo/0/0/0", query_string={"t": value})
    [feature] = decoded(response)["echo"]["features"]
    assert feature["properties"] == {"said": value, "p": "100 %"}
    assert len(features(app, "/tiles/public.squares/5/16/15")) == 10


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "n"), ("n=x", "n"), ("n=1.5", "n"), ("n=99999999999", "n"), ("n=1&n=2", "n"), ("n=", "n"), ("n=1;2", "n"),
        ("n=1&d=2024-13-01", "d"), ("n=1&d=yesterday", "d"), ("n=1&b=maybe", "b"), ("n=1&u=12", "u"), ("n=1&j={", "j"),
        ("n=1&l=1,x", "l"), ("n=1&s=purple", "s"), ("n=1&t=%00", "t"), ("n=1&i=never", "i"),
    ],
)  # fmt: skip
def test_a_missing_or_mistyped_parameter_is_a_400_that_names_it(
    sql_app: Callable[..., Flask], squares: str, query: str, parameter: str
) -> None:
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute("CREATE TYPE colour AS ENUM ('red', 'green')")
    app = sql_app(typed="""-- parameter: n integer
-- parameter: d date = 2024-01-01
-- parameter: b boolean = true
-- parameter: u uuid = null
-- parameter: j jsonb = '{}'
-- parameter: l integer[] = '{1,2}'
-- parameter: s colour = red
-- parameter: t text = null
-- parameter: i interval = '1 day'
SELECT :n AS n, :d AS d, :b AS b, :u AS u, :j AS j, :l AS l, :s AS s, :t AS t, :i AS i, ST_Centroid(:bounds) AS geom""")
    response = get(app, f"/tiles/typed/0/0/0?{query}")
    assert response.status_code == 400, response.get_data(as_text=True)
    assert response.json is not None
    assert response.json["parameter"] == parameter
    assert parameter in response.json["detail"]
    [good] = attributes(app, "/tiles/typed/0/0/0?n=7&s=green&l=3&l=4&u=a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    assert (good["n"], good["d"], good["b"], good["s"], good["l"]) == (7, "2024-01-01", True, "green", "[3,4]")
    assert "t" not in good


def test_equal_tiles_have_one_key_and_others_another(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(n="-- parameter: n integer = 1\nSELECT :n AS n, ST_Centroid(:bounds) AS geom")
    assert [attributes(app, f"/tiles/n/0/0/0{q}") for q in ("", "?n=1", "?n=2", "?n=%2B1")] == [
        [{"n": 1}], [{"n": 1}], [{"n": 2}], [{"n": 1}]
    ]  # fmt: skip


def test_only_the_login_itself_reads_a_statement(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(rows="SELECT id, geom FROM squares", tile="SELECT ST_AsMVT(s, 'x') FROM (SELECT 1 AS id) AS s")
    catalog = app.extensions["flagstone"].catalog.catalog()
    own, other = Identity(role=catalog.login), Identity(role="somebody_else")
    for name in ("rows", "tile"):
        assert catalog.find(name, ANONYMOUS) is catalog.find(name, own) is not None
        assert catalog.find(name, other) is None
    assert catalog.visible(other) == []
