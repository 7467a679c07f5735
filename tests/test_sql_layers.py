"""Layers that are statements of the application: files of a directory, or registered from Python."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from app import SqlLayer, create_app
from app.errors import ConfigurationError
from app.layers.identity import ANONYMOUS
from app.layers.member import Member
from app.layers.request import layer_requests
from app.layers.tile import Tile
from app.repository.tiles import Tiles
from app.settings import Settings
from tests.catalogs import catalog_of, catalog_store, reasons
from tests.conftest import Login, MakeApp
from tests.servers.pgbouncer import PgBouncer
from tests.test_pgbouncer import pgbouncer  # noqa: F401  # a fixture
from tests.tile_decoding import attributes, decoded, drawn, features, get

SquareTable = """
CREATE TABLE public.squares (id int PRIMARY KEY, name text, kind text[], born date, size numeric(6,2), geom geometry(Polygon, 4326));
INSERT INTO squares
SELECT n, 'square ' || n, ARRAY['a', 'b'], date '2024-01-01' + n, n / 2.0, ST_MakeEnvelope(n, 0, n + 1, 1, 4326)
FROM generate_series(0, 9) AS n;
"""


@pytest.fixture
def squares(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SquareTable)
    return database


@pytest.fixture
def sql_app(make_app: MakeApp, squares: str, tmp_path: Path) -> Callable[..., Flask]:
    """`sql_app(name=text, …)` writes a file of each and gives the application over them."""

    def make(**files: str) -> Flask:
        for name, text in files.items():
            (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
        return make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path), CACHE_TYPE="NullCache")

    return make


def refusals(dsn: str, directory: Path) -> dict[str, str]:
    catalog = catalog_of(dsn, FLAGSTONE_SQL_DIRECTORY=str(directory))
    return {name.removeprefix("."): reason for name, reason in reasons(catalog).items()}


def refused(dsn: str, directory: Path, text: str | bytes) -> str:
    (directory / "it.sql").write_bytes(text.encode() if isinstance(text, str) else text)
    said = refusals(dsn, directory)
    assert len(said) == 1, said
    return next(iter(said.values()))


# --- what they are for ------------------------------------------------------------------------------------------------


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


def test_statements_find_postgis_only_where_the_login_does(gis_database: str, make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "qualified.sql").write_text("SELECT 1 AS a, gis.ST_Centroid(:bounds) AS geom")
    app = make_app(gis_database, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    assert attributes(app, "/tiles/qualified/0/0/0") == [{"a": 1}]


def test_a_login_without_any_right_to_create_is_enough(login: Login, squares: str, make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("SELECT id, geom FROM squares WHERE geom && :bounds")
    reader = login(squares, "reads_only", "GRANT SELECT ON squares TO reads_only")
    assert len(features(make_app(reader, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)), "/tiles/mine/5/16/15")) == 10


# --- values are bound, never pasted -----------------------------------------------------------------------------------


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


def test_what_one_login_may_read_is_kept_apart_from_what_another_may(login: Login, squares: str, tmp_path: Path) -> None:
    (tmp_path / "rows.sql").write_text("SELECT id, geom FROM squares")
    (tmp_path / "made.sql").write_text("SELECT ST_AsMVT(s.*) FROM squares AS s")
    reader = login(squares, "reader", "GRANT SELECT ON squares TO reader")
    digests = [
        {layer.id: layer.digest for layer in catalog_of(dsn, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)).layers} for dsn in (squares, reader)
    ]
    assert digests[0].keys() == digests[1].keys() == {"rows", "made", "public.squares"}
    assert not digests[0].items() & digests[1].items()


def test_equal_tiles_have_one_key_and_others_another(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(n="-- parameter: n integer = 1\nSELECT :n AS n, ST_Centroid(:bounds) AS geom")
    assert [attributes(app, f"/tiles/n/0/0/0{q}") for q in ("", "?n=1", "?n=2", "?n=%2B1")] == [
        [{"n": 1}], [{"n": 1}], [{"n": 2}], [{"n": 1}]
    ]  # fmt: skip


# --- files at fault cost only themselves ------------------------------------------------------------------------------

REFUSED = {
    "two statements": ("SELECT 1; SELECT 2", "more than one statement"),
    "a drop behind": ("SELECT geom FROM squares; DROP TABLE squares", "more than one statement"),
    "a syntax error": ("SELECT geom\nFORM squares", "line 2, `FORM squares`: PostgreSQL cannot read it"),
    "a missing column": ("-- title: x\nSELECT gem\nFROM squares", "line 2, `SELECT gem`: there is no such column"),
    "a missing table": ("SELECT geom FROM nowhere", "there is no such table"),
    "a missing function": ("SELECT nothing(geom) AS geom FROM squares", "there is no such function"),
    "an insert": ("INSERT INTO squares (id) VALUES (1)", "a layer is a SELECT, this begins with INSERT"),
    "a drop": ("DROP TABLE squares", "a layer is a SELECT, this begins with DROP"),
    "a set": ("SET statement_timeout = 0", "begins with SET"),
    "an insert within": ("WITH gone AS (DELETE FROM squares RETURNING geom) SELECT geom FROM gone", "write"),
    "a select into": ("SELECT geom INTO other FROM squares", "PostgreSQL cannot read it"),
    "a copy": ("COPY squares TO PROGRAM 'id'", "begins with COPY"),
    "a do block": ("DO $$ BEGIN END $$", "begins with DO"),
    "out of the brackets": ("SELECT geom FROM squares) AS a, (SELECT 1", "closes nothing"),
    "an unknown placeholder": ("-- parameter: least int = 1\nSELECT geom FROM squares WHERE id > :leas", "for :leas; did you mean least?"),
    "no geometry": ("SELECT id FROM squares", "neither a geometry column nor one single bytea"),
    "bytes beside others": ("SELECT 1 AS a, 'x'::bytea AS tile", "neither a geometry column nor one single bytea"),
    "no columns": ("SELECT FROM squares", "neither a geometry column"),
    "a column twice": ("SELECT a.*, b.* FROM squares a, squares b", "more than one column 'id'"),
    "another geometry column": ("-- geometry_column: shape\nSELECT geom FROM squares", "no geometry column 'shape'"),
    "another id column": ("-- id_column: idd\nSELECT id, geom FROM squares", "no column 'idd', its id_column; did you mean id?"),
    "two SRIDs": ("-- srid: 3857\nSELECT geom FROM squares", "declared as 3857, but the column geom has SRID 4326"),
    "a SRID of nowhere": ("-- srid: 77777\nSELECT ST_SetSRID(geom, 77777) AS geom FROM squares", "SRID 77777 has no definition"),
    "a bad zoom": ("-- minzoom: twelve\nSELECT geom FROM squares", "minzoom must be a whole number"),
    "zooms upside down": ("-- minzoom: 9\n-- maxzoom: 3\nSELECT geom FROM squares", "minzoom 9 is above maxzoom 3"),
    "bad bounds": ("-- bounds: 1, 2, 3\nSELECT geom FROM squares", "bounds are four numbers"),
    "bounds beyond the world": ("-- bounds: -200, 0, 3, 4\nSELECT geom FROM squares", "bounds are west, south"),
    "an unknown key": ("-- minzom: 3\nSELECT geom FROM squares", "Did you mean minzoom"),
    "a bad parameter": ("-- parameter: least\nSELECT geom FROM squares", "is not `name type"),
    "a taken name": ("-- parameter: limit int = 1\nSELECT geom FROM squares LIMIT :limit", "cannot be called limit"),
    "two of a name": ("-- parameter: a int\n-- parameter: a int\nSELECT geom FROM squares", "two parameters a"),
    "an unknown type": ("-- parameter: a thing\nSELECT geom FROM squares", "parameter a: there is no type 'thing'"),
    "a geometry to give": ("-- parameter: a geometry\nSELECT :a AS geom", "cannot stand in an address"),
    "a row to give": ("-- parameter: a squares\nSELECT geom FROM squares", "cannot stand in an address"),
    "a bad default": ("-- parameter: a int = x\nSELECT geom FROM squares", "the default of parameter a"),
    "a bad default of another type": ("-- parameter: a inet = x\nSELECT geom FROM squares", "the default of parameter a is no inet"),
    "a position": ("SELECT geom FROM squares WHERE id = $1", "parameters have names"),
    "nothing": ("", "no statement"),
    "a comment": ("-- title: nothing", "no statement"),
    "TiMVT's function": ("-- squares\n/* x */ CREATE OR REPLACE FUNCTION f() RETURNS bytea AS $$ SELECT NULL::bytea $$ LANGUAGE sql;",
                         "`flask catalog install it.sql` puts the function into the database"),
    "another encoding": ("SELECT 'größe' AS a, geom FROM squares".encode("latin-1"), "not UTF-8: byte 10"),
    "a NUL": ("SELECT '\0', geom FROM squares", "NUL"),
    "ten megabytes": ("SELECT geom FROM squares -- " + "x" * 10_000_000, "it has 10,000,028 bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_at_fault_is_no_layer_and_its_reason_is_told(
    squares: str, tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    assert sentence in refused(squares, tmp_path, text)
    with psycopg.connect(squares) as connection:
        assert connection.execute("SELECT count(*) FROM squares").fetchone() == (10,)


def test_beside_files_at_fault_the_others_work(sql_app: Callable[..., Flask], squares: str, tmp_path: Path) -> None:
    app = sql_app(bad="SELECT", worse="DROP TABLE squares", good="SELECT id, geom FROM squares", z_last="SELECT 1 AS n, ST_Centroid(:bounds) AS geom")
    assert len(features(app, "/tiles/good/5/16/15")) == 10
    assert len(features(app, "/tiles/z_last/5/16/15")) == 1
    assert get(app, "/tiles/bad/5/16/15").status_code == 404
    assert refusals(squares, tmp_path).keys() == {"bad", "worse"}


def test_only_plain_files_of_the_directory_are_read(squares: str, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "layers", tmp_path / "elsewhere.sql"
    folder.mkdir()
    elsewhere.write_text("SELECT geom FROM squares")
    (folder / "linked.sql").symlink_to(elsewhere)
    (folder / "dangling.sql").symlink_to(tmp_path / "nothing.sql")
    (folder / "folder.sql").mkdir()
    os.mkfifo(folder / "pipe.sql")
    (folder / ".hidden.sql").write_text("SELECT")
    (folder / "README.md").write_text("SELECT")
    (folder / "real.sql").write_text("SELECT geom FROM squares")
    (folder / "inside.sql").symlink_to(folder / "real.sql")
    (folder / "with.dot.sql").write_text("SELECT geom FROM squares")
    (folder / "tiles.sql").write_text("SELECT geom FROM squares")
    (folder / "WebMercatorQuad.sql").write_text("SELECT geom FROM squares")
    said = refusals(squares, folder)
    assert {name: reason.partition(":")[0] for name, reason in said.items()} == {
        "linked.sql": "it is a link to a file outside of the directory",
        "dangling.sql": "it cannot be read",
        "folder.sql": "it is no plain file",
        "pipe.sql": "it is no plain file",
        "with.dot.sql": "an id has 1 to 200 characters and none of / \\ , ; ~ . in it",
        "tiles.sql": "tiles is a word of Flagstone's own addresses",
        "WebMercatorQuad.sql": "WebMercatorQuad is the id of a tile matrix set",
    }
    ids = {layer.id for layer in catalog_of(squares, FLAGSTONE_SQL_DIRECTORY=str(folder)).layers}
    assert ids == {"real", "inside", "public.squares"}


def test_a_directory_that_is_not_there_costs_no_layer(squares: str, tmp_path: Path) -> None:
    catalog = catalog_of(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path / "gone"))
    assert [layer.id for layer in catalog.layers] == ["public.squares"]
    assert any(notice.startswith("FLAGSTONE_SQL_DIRECTORY:") for notice in catalog.notices)


def test_the_name_of_timvt_for_the_directory_is_read_too() -> None:
    assert Settings.of(TIMVT_FUNCTIONS_DIRECTORY="/somewhere").sql_directory == "/somewhere"


def test_the_command_line_lists_why(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(bad="SELECT geom FROM nowhere")
    result = app.test_cli_runner().invoke(args=["catalog", "list", "--rejected"])
    assert result.exit_code == 0, result.output
    assert "there is no such table" in result.output


def test_many_comments_before_a_statement_are_passed_over_at_once(squares: str, tmp_path: Path) -> None:
    comments = "/* one */ -- two\n" * 2000
    began = time.monotonic()
    assert "catalog install" in refused(squares, tmp_path, comments + "CREATE FUNCTION f() RETURNS int AS '' LANGUAGE sql")
    assert "begins with CREATE" in refused(squares, tmp_path, comments + "CREATE TABLE function (geom geometry)")
    assert time.monotonic() - began < 20


# --- files change -----------------------------------------------------------------------------------------------------


def test_a_changed_file_takes_effect_with_the_catalog(sql_app: Callable[..., Flask], tmp_path: Path) -> None:
    app = sql_app(moving="SELECT 1 AS n, ST_Centroid(:bounds) AS geom")
    catalog = app.extensions["flagstone"].catalog
    assert attributes(app, "/tiles/moving/0/0/0") == [{"n": 1}]
    (tmp_path / "moving.sql").write_text("-- parameter: n int = 2\nSELECT :n AS n, 'new' AS m, ST_Centroid(:bounds) AS geom")
    (tmp_path / "added.sql").write_text("SELECT 3 AS n, ST_Centroid(:bounds) AS geom")
    catalog.reload()
    assert attributes(app, "/tiles/moving/0/0/0") == [{"n": 2, "m": "new"}]
    assert attributes(app, "/tiles/added/0/0/0") == [{"n": 3}]
    (tmp_path / "moving.sql").unlink()
    catalog.reload()
    assert get(app, "/tiles/moving/0/0/0").status_code == 404


def test_a_file_that_is_asked_for_before_the_first_load_is_read_alone(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(alone="SELECT 1 AS n, ST_Centroid(:bounds) AS geom", other="SELECT geom FROM nowhere")
    assert not app.extensions["flagstone"].catalog.loaded
    assert attributes(app, "/tiles/alone/0/0/0") == [{"n": 1}]


def test_a_locked_table_keeps_the_layer_that_was_known(squares: str, tmp_path: Path) -> None:
    (tmp_path / "kept.sql").write_text("SELECT id, geom FROM squares")
    with catalog_store(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)) as store, psycopg.connect(squares) as other:
        before = store.reload()
        other.execute("LOCK TABLE squares IN ACCESS EXCLUSIVE MODE")
        (tmp_path / "new.sql").write_text("SELECT id, geom FROM squares")
        after = store.reload()
        assert [layer.digest for layer in after.layers] == [layer.digest for layer in before.layers]
        assert "locked" in reasons(after)[".new"]


def test_a_changed_table_changes_a_statement_that_shows_few_of_its_columns(squares: str, tmp_path: Path, make_app: MakeApp) -> None:
    (tmp_path / "all.sql").write_text("SELECT *, ST_Centroid(geom) AS centre FROM squares")
    (tmp_path / "layers.toml").write_text('[layers.all]\ncolumns = ["name"]\n')
    app = make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path), FLAGSTONE_LAYERS_FILE=str(tmp_path / "layers.toml"))
    catalog = app.extensions["flagstone"].catalog
    digest = catalog.reload().layer("all", ANONYMOUS).digest
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute("ALTER TABLE squares ALTER COLUMN geom TYPE geometry, DROP COLUMN size")
    again = catalog.reload().layer("all", ANONYMOUS)
    assert again.digest != digest
    assert len(features(app, "/tiles/all/5/16/15")) == 10
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute("ALTER TABLE squares DROP COLUMN kind")
    assert catalog.reload().layer("all", ANONYMOUS).digest != again.digest
    assert len(features(app, "/tiles/all/5/16/15?limit=100")) == 10


def test_a_dropped_table_takes_its_statement_out_of_the_catalog(sql_app: Callable[..., Flask], squares: str) -> None:
    app = sql_app(fleeting="SELECT id, geom FROM squares")
    catalog = app.extensions["flagstone"].catalog
    catalog.reload()
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute("DROP TABLE squares")
    assert get(app, "/tiles/fleeting/5/16/15").status_code in (404, 503)
    catalog.reload()
    assert get(app, "/tiles/fleeting/5/16/15").status_code == 404


# --- what runs is read only and bounded -------------------------------------------------------------------------------


@pytest.fixture
def writing(squares: str) -> str:
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute(
            """
            CREATE FUNCTION write_something() RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO squares (id) VALUES (99); RETURN 1; END $$;
            CREATE FUNCTION set_something() RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN PERFORM set_config('transaction_read_only', 'off', false), set_config('search_path', 'nowhere', false); RETURN 1; END $$
            """
        )
    return squares


def test_a_statement_that_writes_through_a_function_is_refused_with_a_sentence(
    sql_app: Callable[..., Flask], writing: str
) -> None:
    app = sql_app(writes="SELECT write_something() AS n, ST_Centroid(:bounds) AS geom", reads="SELECT id, geom FROM squares")
    response = get(app, "/tiles/writes/0/0/0")
    assert response.status_code == 403, response.get_data(as_text=True)
    assert len(features(app, "/tiles/reads/5/16/15")) == 10


def test_what_a_statement_sets_ends_with_it(make_app: MakeApp, writing: str, tmp_path: Path) -> None:
    (tmp_path / "sets.sql").write_text("SELECT set_something() AS n, ST_Centroid(:bounds) AS geom")
    (tmp_path / "path.sql").write_text("SELECT current_setting('search_path') AS path, ST_Centroid(:bounds) AS geom")
    app = make_app(writing, FLAGSTONE_SQL_DIRECTORY=str(tmp_path), FLAGSTONE_POOL_SIZE=1, CACHE_TYPE="NullCache")
    before = attributes(app, "/tiles/path/0/0/0")
    get(app, "/tiles/sets/0/0/0")
    assert attributes(app, "/tiles/path/0/0/0") == before


def test_a_statement_that_takes_long_ends_with_the_time_limit(make_app: MakeApp, squares: str, tmp_path: Path) -> None:
    (tmp_path / "slow.sql").write_text("SELECT 1 AS n, pg_sleep(20)::text AS s, ST_Centroid(:bounds) AS geom")
    app = make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path), FLAGSTONE_STATEMENT_TIMEOUT_MS=300)
    assert get(app, "/tiles/slow/0/0/0").status_code == 504
    assert len(features(app, "/tiles/public.squares/5/16/15")) == 10


def test_a_statement_that_fails_on_its_values_is_an_error_of_its_own(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(divides="-- parameter: by int = 1\nSELECT 1 / :by AS n, ST_Centroid(:bounds) AS geom")
    assert attributes(app, "/tiles/divides/0/0/0") == [{"n": 1}]
    response = get(app, "/tiles/divides/0/0/0?by=0")
    assert response.status_code in (400, 500)
    assert "division" not in response.get_data(as_text=True)


# --- documents --------------------------------------------------------------------------------------------------------


def test_tilejson_says_what_the_head_says(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(told="""-- title: Squares
-- description: Ten of them
-- attribution: Somebody
-- bounds: 0, 0, 10, 1
-- minzoom: 3
-- maxzoom: 9
SELECT id, name, geom FROM squares""")
    document = get(app, "/told/tilejson.json").json
    assert document is not None
    assert (document["description"], document["attribution"]) == ("Ten of them", "Somebody")
    assert (document["minzoom"], document["maxzoom"], document["bounds"]) == (3, 9, [0, 0, 10, 1])
    [layer] = document["vector_layers"]
    assert (layer["id"], layer["fields"], layer["geometry_type"]) == ("told", {"id": "Number", "name": "String"}, "POLYGON")
    assert get(app, "/tiles/told/2/2/1").status_code == 404


# --- from Python ------------------------------------------------------------------------------------------------------


def python_app(dsn: str, *layers: SqlLayer, **settings: Any) -> Flask:
    return create_app(Settings.of(DATABASE_URL=dsn, **settings), layers=layers)


def test_a_layer_is_registered_from_python(squares: str, tmp_path: Path) -> None:
    (tmp_path / "both.sql").write_text("SELECT 'file' AS who, ST_Centroid(:bounds) AS geom")
    app = python_app(
        squares,
        SqlLayer(
            id="mine",
            sql="SELECT :depth AS depth, :word AS word, ST_Centroid(:bounds) AS geom",
            bounds=[0, 0, 180, 85], minzoom=2, maxzoom=9,
            options=[{"name": "depth", "default": 3}, {"name": "word", "type": "text", "default": None, "description": "x"}],
        ),
        SqlLayer(id="both", sql="SELECT 'python' AS who, ST_Centroid(:bounds) AS geom"),
        SqlLayer(id="broken", sql="SELECT geom FROM nowhere"),
        FLAGSTONE_SQL_DIRECTORY=str(tmp_path),
    )  # fmt: skip
    try:
        assert attributes(app, "/tiles/mine/2/2/1") == [{"depth": 3}]
        assert attributes(app, "/tiles/mine/2/2/1?depth=5&word=w") == [{"depth": 5, "word": "w"}]
        assert attributes(app, "/tiles/both/2/2/1") == [{"who": "python"}]
        assert get(app, "/tiles/broken/2/2/1").status_code == 404
        assert get(app, "/mine/tilejson.json").json["bounds"] == [0, 0, 180, 85]  # type: ignore[index]
    finally:
        app.extensions["flagstone"].close()


def test_a_file_of_timvt_style_text_can_be_registered_with_other_options(squares: str) -> None:
    text = "-- parameter: n int = 1\n-- title: From a file\nSELECT :n AS n, ST_Centroid(:bounds) AS geom"
    layer = SqlLayer.from_text("other", text)
    assert (layer.title, layer.parameters[0].default) == ("From a file", "1")
    app = python_app(squares, layer)
    try:
        assert attributes(app, "/tiles/other/2/2/1?n=4") == [{"n": 4}]
    finally:
        app.extensions["flagstone"].close()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"id": "a.b"}, "none of"), ({"id": ""}, "1 to 200"), ({"id": "tiles"}, "own addresses"),
        ({"minzoom": 31}, "minzoom must be"), ({"bounds": [1, 2]}, "four numbers"), ({"bounds": "abcd"}, "four numbers"),
        ({"options": [{"default": 1}]}, "no name"), ({"options": [{"name": "a", "typ": "int"}]}, "not typ"),
        ({"options": [{"name": "a-b"}]}, "letters, digits"), ({"srid": -1}, "srid"),
    ],
)  # fmt: skip
def test_a_layer_that_cannot_be_registered_is_refused_at_once(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        SqlLayer(**{"id": "mine", "sql": "SELECT 1", **said})


def test_the_examples_of_the_repository_are_layers(sample_database: str, make_app: MakeApp, tmp_path: Path) -> None:
    folder = Path(__file__).parent.parent / "migrations_sample" / "layers"
    for path in folder.glob("*.sql"):
        shutil.copy(path, tmp_path)
    app = make_app(sample_database, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    names = {row["name"] for row in attributes(app, "/tiles/large_cities/0/0/0?min_population=15000000")}
    assert "Shanghai" in names
    assert decoded(get(app, "/tiles/quarters/3/4/2?depth=4"))["quarters"]["features"]


def test_functions_json_lists_statements_with_their_parameters(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(
        rows="-- title: Rows\n-- parameter: least integer = 3 -- Smallest id\n-- parameter: word text\n"
        "SELECT id, geom FROM squares WHERE id > :least AND :word <> name",
        tile="SELECT NULL::bytea AS tile",
    )
    document = get(app, "/functions.json").json
    assert document is not None
    said = {each["id"]: each for each in document}
    assert said["rows"]["arguments"] == [
        {"name": "least", "type": "integer", "required": False, "has_default": True, "default": "3", "description": "Smallest id"},
        {"name": "word", "type": "text", "required": True, "has_default": False},
    ]
    assert (said["rows"]["returns"], said["tile"]["returns"]) == ("rows", "tile")
    alone = get(app, "/function/rows.json").json
    assert alone is not None
    assert alone["title"] == "Rows"
    tilejson = get(app, "/rows/tilejson.json?word=a").json
    assert tilejson is not None
    assert [argument["name"] for argument in tilejson["arguments"]] == ["least", "word"]
    assert "word=a" in tilejson["tiles"][0]


@pytest.mark.parametrize("path", ["/", "/rows/style.json", "/rows/viewer", "/catalog", "/collections", "/collections/rows", "/index.json",
                                  "/tile/style.json", "/tile/viewer", "/collections/tile", "/tables.json"])  # fmt: skip
def test_pages_and_documents_know_statements(sql_app: Callable[..., Flask], path: str) -> None:
    app = sql_app(
        rows="SELECT id, geom FROM squares", tile="SELECT NULL::bytea AS tile", wants="-- parameter: a int\nSELECT :a AS a, ST_Centroid(:bounds) AS geom"
    )
    response = get(app, path)
    assert response.status_code == 200, response.get_data(as_text=True)


def test_the_command_line_lists_and_shows_statements(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(
        rows="-- title: Rows\n-- parameter: least integer = 3 -- Smallest id\nSELECT id, geom FROM squares WHERE id > :least",
        tile="SELECT NULL::bytea AS tile",
    )
    runner = app.test_cli_runner()
    listed = runner.invoke(args=["catalog", "list"])
    assert listed.exit_code == 0, listed.output
    assert {"rows", "tile"} <= {line.split()[0] for line in listed.output.splitlines()}
    for layer in ("rows", "tile"):
        shown = runner.invoke(args=["catalog", "show", layer])
        assert shown.exit_code == 0, shown.output
    assert "Smallest id" in runner.invoke(args=["catalog", "show", "rows"]).output


def test_a_changed_file_gives_other_tiles_although_the_old_ones_are_kept(
    make_app: MakeApp, squares: str, tmp_path: Path
) -> None:
    (tmp_path / "kept.sql").write_text("SELECT 1 AS n, ST_Centroid(:bounds) AS geom")
    app = make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    assert attributes(app, "/tiles/kept/0/0/0") == [{"n": 1}]
    (tmp_path / "kept.sql").write_text("SELECT 2 AS n, ST_Centroid(:bounds) AS geom")
    assert attributes(app, "/tiles/kept/0/0/0") == [{"n": 1}]
    app.extensions["flagstone"].catalog.reload()
    assert attributes(app, "/tiles/kept/0/0/0") == [{"n": 2}]


def test_statements_work_behind_pgbouncer(
    pgbouncer: PgBouncer, squares: str, make_app: MakeApp, tmp_path: Path  # noqa: F811
) -> None:
    (tmp_path / "rows.sql").write_text("-- parameter: least int = 3\nSELECT id, geom FROM squares WHERE id >= :least AND geom && :bounds")
    (tmp_path / "bad.sql").write_text("SELECT gem FROM squares")
    app = make_app(
        pgbouncer.dsn(squares), FLAGSTONE_TRANSACTION_POOLING="true", FLAGSTONE_SQL_DIRECTORY=str(tmp_path), CACHE_TYPE="NullCache",
        FLAGSTONE_POOL_SIZE="2",
    )  # fmt: skip
    for _ in range(3):
        app.extensions["flagstone"].catalog.reload()
        assert len(features(app, "/tiles/rows/5/16/15")) == 7
        assert len(features(app, "/tiles/rows/5/16/15?least=9")) == 1
        assert get(app, "/tiles/bad/5/16/15").status_code == 404


def test_the_box_of_a_statement_uses_the_index_of_its_table(make_app: MakeApp, squares: str, tmp_path: Path) -> None:
    (tmp_path / "many.sql").write_text("SELECT id, geom FROM many WHERE geom && :bounds")
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE many AS SELECT n AS id, ST_SetSRID(ST_MakePoint(n % 360 - 180, n % 170 - 85), 4326)::geometry(Point, 4326) AS geom
            FROM generate_series(1, 50000) AS n;
            CREATE INDEX many_geom ON many USING gist (geom);
            ANALYZE many
            """
        )
    app = make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    there = app.extensions["flagstone"]
    layer = there.catalog.reload().layer("many", ANONYMOUS)
    grid = there.grids.get("WebMercatorQuad")
    [request] = layer_requests((Member("many", layer),), grid, {}, there.settings, ANONYMOUS)
    question = Tiles(there.pool)._question(request, Tile(8, 130, 120), there.catalog.postgis, time.monotonic() + 5)
    with psycopg.connect(squares) as connection:
        plan = "\n".join(row[0] for row in connection.execute(b"EXPLAIN " + question.text, question.values))
    assert "many_geom" in plan


def test_why_a_statement_is_refused_is_logged_once(squares: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad.sql").write_text("SELECT gem FROM squares")
    with catalog_store(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)) as store:
        for _ in range(3):
            store.reload()
    assert [record.getMessage() for record in caplog.records if "layer bad" in record.getMessage()] == [
        'the statement of layer bad is refused: column "gem" does not exist'
    ]
