"""A layers file that changes while Flagstone runs, and the one that Flagstone writes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.layers.identity import ANONYMOUS
from app.layers.layers_file import parse
from tests.catalogs import catalog_of, catalog_store
from tests.conftest import MakeApp, Serve
from tests.tile_decoding import decoded, features, get

GRIDS = Path(__file__).parent / "grids"


@pytest.fixture
def points(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE t (id int PRIMARY KEY, kind text, geom geometry(Point, 4326));"
            "INSERT INTO t SELECT n, CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END, ST_Point(n, n, 4326) FROM generate_series(1, 10) n"
        )
    return database


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


def _count(app: Flask) -> int:
    return len(features(app, "/tiles/t/0/0/0"))


def test_a_saved_file_holds_within_the_interval(points: str, make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text("")
    app = make_app(points, FLAGSTONE_LAYERS_FILE=str(file), FLAGSTONE_CATALOG_INTERVAL_S="0.3")
    app.extensions["flagstone"].open()
    assert _within(10, lambda: app.extensions["flagstone"].catalog.loaded)
    assert _count(app) == 10
    file.write_text('[layers."public.t"]\nlimit = 3')
    assert _within(5, lambda: _count(app) == 3)
    file.write_text('[layers."public.t"]\nlimit = 4')
    os.utime(file)
    assert _within(5, lambda: _count(app) == 4)
    file.write_text('[composites.both]\nlayers = ["public.t"]')
    assert _within(5, lambda: get(app, "/tiles/both/0/0/0").status_code == 200)


def test_an_unknown_name_has_the_file_read_again(points: str, make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text("")
    app = make_app(points, FLAGSTONE_LAYERS_FILE=str(file), FLAGSTONE_CATALOG_INTERVAL_S="0", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")
    app.extensions["flagstone"].catalog.reload()
    assert get(app, "/tiles/both/0/0/0").status_code == 404
    file.write_text('[composites.both]\nlayers = ["public.t"]')
    assert get(app, "/tiles/both/0/0/0").status_code == 200


@pytest.mark.parametrize("broken", ["[layers", '[layers."public.t"]\nfoo = 1', None, b"\xff"])
def test_a_file_that_becomes_broken_changes_nothing_and_is_told_once(
    points: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str | bytes | None
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.t"]\ntitle = "T"')
    with catalog_store(points, FLAGSTONE_LAYERS_FILE=str(file)) as store:
        assert store.reload().layer("t", ANONYMOUS).title == "T"
        if broken is None:
            file.unlink()
        else:
            file.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                assert store.reload().layer("t", ANONYMOUS).title == "T"
        told = [record for record in caplog.records if "layers.toml" in record.getMessage()]
        assert len(told) == 1
        assert told[0].levelno == logging.ERROR
        file.write_text('[layers."public.t"]\ntitle = "New"')
        assert store.reload().layer("t", ANONYMOUS).title == "New"


def test_a_file_that_is_written_anew_with_the_same_size_is_noticed(points: str, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.t"]\ntitle = "A"')
    with catalog_store(points, FLAGSTONE_LAYERS_FILE=str(file)) as store:
        store.reload()
        before = file.stat()
        other = tmp_path / "other"
        other.write_text('[layers."public.t"]\ntitle = "B"')
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(file)
        assert store.reload().layer("t", ANONYMOUS).title == "B"


def test_running_workers_take_a_saved_file(points: str, serve: Serve, tmp_path: Path) -> None:
    import json
    import urllib.request

    file = tmp_path / "layers.toml"
    file.write_text("")
    server = serve(DATABASE_URL=points, FLAGSTONE_LAYERS_FILE=file, FLAGSTONE_CATALOG_INTERVAL_S="0.5", WEB_CONCURRENCY=2)

    def maxzoom() -> int:
        with urllib.request.urlopen(f"{server.url}/t/tilejson.json") as response:
            return int(json.load(response)["maxzoom"])

    assert maxzoom() == 22
    file.write_text('[layers."public.t"]\nmaxzoom = 7')
    assert _within(10, lambda: all(maxzoom() == 7 for _ in range(8)))


# --- flask config layers ----------------------------------------------------------------------------------------------


def _run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["config", *arguments])


_ODD = """
CREATE TABLE "a.b ""c"" 'd' é" ("q""r" int PRIMARY KEY, geom geometry(Point, 4326));
CREATE TABLE "line
break" (id int PRIMARY KEY, geom geometry(Point, 4326));
CREATE TABLE "[x]#y=\\" (id int PRIMARY KEY, geom geometry(Point, 4326), geom2 geometry(Point, 3857));
COMMENT ON TABLE "[x]#y=\\" IS '{"title": "T", "rank": "-id", "filter": "id > 1", "bounds": [1, 2, 3, 4], "foo": 1}';
COMMENT ON TABLE t IS E'Text with \"\"\" quotes, \\\\ and\\nlines \\u007f';
CREATE TABLE hidden (id int, geom geometry(Point, 4326));
CREATE TABLE tucked_away (id int, geom geometry(Point, 4326));
COMMENT ON TABLE tucked_away IS '{"hidden": true}';
"""
_FILE = """
[layers."public.t"]
columns = ["kind"]
limit = 5
bounds = [1, 2.5, 3, 4]
filter = "kind = 'odd'"
[layers."public.hidden"]
hidden = true
[layers."public.gone"]
title = "it may come back"
[composites.base]
title = "Base"
maxzoom = 10
layers = ["public.line~0Abreak", {layer = "public.t", name = "my t", filter = "id > 2", rank = ["-id"], minzoom = 2}]
"""


def test_what_is_saved_gives_the_same_layers_when_it_is_read(points: str, make_app: MakeApp, tmp_path: Path) -> None:
    with psycopg.connect(points, autocommit=True) as connection:
        connection.execute(_ODD)
    first, second, third = (tmp_path / name for name in ("first.toml", "second.toml", "third.toml"))
    first.write_text(_FILE)
    result = _run(make_app(points, FLAGSTONE_LAYERS_FILE=str(first)), "layers", "--save", str(second))
    assert result.exit_code == 0, result.output
    before = catalog_of(points, FLAGSTONE_LAYERS_FILE=str(first))
    after = catalog_of(points, FLAGSTONE_LAYERS_FILE=str(second))
    assert after.layers == before.layers
    assert [layer.digest for layer in after.layers] == [layer.digest for layer in before.layers]
    assert after.composites == before.composites
    assert {(left.schema, left.name) for left in after.rejected} == {(left.schema, left.name) for left in before.rejected}
    # Without the database's comments too: what they said is in the file.
    with psycopg.connect(points, autocommit=True) as connection:
        connection.execute("""COMMENT ON TABLE "[x]#y=\\" IS NULL; COMMENT ON TABLE t IS NULL; COMMENT ON TABLE tucked_away IS NULL""")
    alone = catalog_of(points, FLAGSTONE_LAYERS_FILE=str(second))
    assert [layer.digest for layer in alone.layers] == [layer.digest for layer in before.layers]
    assert [(layer.title, layer.description, layer.declared_bounds) for layer in alone.layers] == [
        (layer.title, layer.description, layer.declared_bounds) for layer in before.layers
    ]
    assert _run(make_app(points, FLAGSTONE_LAYERS_FILE=str(second)), "layers", "--save", str(third)).exit_code == 0
    assert parse(third.read_text(), "third") == parse(second.read_text(), "second")


def test_without_save_the_file_goes_to_standard_output(points: str, make_app: MakeApp) -> None:
    result = _run(make_app(points), "layers")
    assert result.exit_code == 0
    assert list(parse(result.stdout, "output").layers) == ["public.t"]
    assert "# POINT in column geom, SRID 4326" in result.stdout
    assert "# served columns: id, kind" in result.stdout


def test_a_file_that_is_there_is_not_overwritten_without_force(points: str, make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text("# mine")
    app = make_app(points)
    result = _run(app, "layers", "--save", str(file))
    assert (result.exit_code, file.read_text()) == (1, "# mine")
    assert "--force" in result.output
    assert _run(app, "layers", "--save", str(file), "--force").exit_code == 0
    assert list(parse(file.read_text(), "f").layers) == ["public.t"]
    assert _run(app, "layers", "--save", str(tmp_path / "no" / "folder.toml")).exit_code == 1


def test_save_without_a_name_writes_the_file_of_the_settings_or_layers_toml(
    points: str, make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(make_app(points), "layers", "--save").exit_code == 0
    assert (tmp_path / "layers.toml").exists()
    given = tmp_path / "given.toml"
    given.write_text('[layers."public.t"]\ntitle = "T"')
    assert _run(make_app(points, FLAGSTONE_LAYERS_FILE=str(given)), "layers", "--save", "--force").exit_code == 0
    assert parse(given.read_text(), "f").layers["public.t"].title == "T"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[layers."public.x"]\ntitle = "t"', '[layers."public.x"]: there is no such layer'),
        ('[layers."public.t"]\nrank = "x"', '[layers."public.t"] rank: there is no column'),
        ('[layers."public.t"]\nfilter = "x = 1"', '[layers."public.t"]: filter: '),
        ('[composites.c]\nlayers = ["public.x", "public.t"]', '[composites."c"] layers[0] (public.x): there is no such layer'),
        ('[composites.c]\nlayers = [{layer = "public.t", columns = ["x"]}]', '[composites."c"] layers[0] (public.t) columns: there is no'),
        ('[composites.t]\nlayers = ["public.t"]', '[composites."t"] has the bare name of public.t'),
    ],
)  # fmt: skip
def test_check_tells_what_a_layers_file_cannot_mean(points: str, make_app: MakeApp, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "layers.toml"
    file.write_text(text)
    with psycopg.connect(points, autocommit=True) as connection:
        connection.execute("CREATE TABLE u (geom geometry(Point, 4326))")
    result = _run(make_app(points, FLAGSTONE_LAYERS_FILE=str(file), FLAGSTONE_TMS_DIRECTORY=str(GRIDS)), "check")
    assert result.exit_code == 1
    assert said in result.output
    assert str(file) in result.output


def test_check_finds_nothing_wrong_with_a_good_file(points: str, make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.t"]\ntitle = "T"\nrank = "-id"\n[composites.base]\nlayers = ["public.t"]')
    assert _run(make_app(points, FLAGSTONE_LAYERS_FILE=str(file)), "check").exit_code == 0


def test_decoded_tiles_follow_the_file_through_the_cache(points: str, make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.t"]\nfilter = "kind = \'odd\'"')
    app = make_app(points, FLAGSTONE_LAYERS_FILE=str(file))
    there = app.extensions["flagstone"]
    there.catalog.reload()
    assert {each["properties"]["kind"] for each in features(app, "/tiles/t/0/0/0")} == {"odd"}
    file.write_text('[layers."public.t"]\nfilter = "kind = \'even\'"\nmvt_name = "x"')
    there.catalog.reload()
    layer = decoded(get(app, "/tiles/t/0/0/0"))["x"]
    assert {each["properties"]["kind"] for each in layer["features"]} == {"even"}
