"""Files of statements that are no layers: each costs only itself, and its reason is told."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from app.settings import Settings
from tests.catalogs import catalog_of, catalog_store, reasons
from tests.tile_decoding import features, get


def refusals(dsn: str, directory: Path) -> dict[str, str]:
    catalog = catalog_of(dsn, FLAGSTONE_SQL_DIRECTORY=str(directory))
    return {name.removeprefix("."): reason for name, reason in reasons(catalog).items()}


def refused(dsn: str, directory: Path, text: str | bytes) -> str:
    (directory / "it.sql").write_bytes(text.encode() if isinstance(text, str) else text)
    said = refusals(dsn, directory)
    assert len(said) == 1, said
    return next(iter(said.values()))


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


def test_why_a_statement_is_refused_is_logged_once(squares: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad.sql").write_text("SELECT gem FROM squares")
    with catalog_store(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)) as store:
        for _ in range(3):
            store.reload()
    assert [record.getMessage() for record in caplog.records if "layer bad" in record.getMessage()] == [
        'the statement of layer bad is refused: column "gem" does not exist'
    ]
