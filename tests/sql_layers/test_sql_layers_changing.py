"""Files of statements, and the tables that they read, change while the application runs."""

from collections.abc import Callable
from pathlib import Path

import psycopg
from flask import Flask

from app.layers.identity import ANONYMOUS
from tests.catalogs import catalog_store, reasons
from tests.conftest import MakeApp
from tests.tile_decoding import attributes, features, get


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
