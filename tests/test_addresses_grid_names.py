"""Names without a schema that are the id of a custom tile matrix set: `/tiles/{id}/…` is a tile of the dataset there."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from app.errors import ConfigurationError
from app.extension import Flagstone
from app.layers.sql_layer import SqlLayer
from tests.catalogs import catalog_of, reasons
from tests.conftest import MakeApp
from tests.tile_decoding import decoded, get

GRIDS = Path(__file__).parent / "grids"
_STATEMENT = "SELECT 1 AS id, ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326) AS geom"
_REASON = "AroundVaduz is the id of a tile matrix set: /tiles/AroundVaduz/… is a tile of the dataset"


@pytest.fixture
def statements(tmp_path: Path) -> str:
    folder = tmp_path / "sql"
    folder.mkdir()
    for name in ("AroundVaduz", "other"):
        (folder / f"{name}.sql").write_text(_STATEMENT)
    return str(folder)


def test_a_file_named_like_a_custom_grid_is_rejected_with_the_reason(
    make_app: MakeApp, database: str, statements: str
) -> None:
    settings = {"FLAGSTONE_TMS_DIRECTORY": str(GRIDS), "FLAGSTONE_SQL_DIRECTORY": statements}
    assert reasons(catalog_of(database, **settings))[".AroundVaduz.sql"] == _REASON
    app = make_app(database, **settings)
    # Before the catalog is read, too, when a layer is looked up alone.
    assert get(app, "/AroundVaduz/tilejson.json").status_code == 404
    assert set(decoded(get(app, "/tiles/other/0/0/0"))) == {"other"}


def test_without_that_grid_it_is_a_layer(make_app: MakeApp, database: str, statements: str) -> None:
    app = make_app(database, FLAGSTONE_SQL_DIRECTORY=statements)
    assert set(decoded(get(app, "/tiles/AroundVaduz/0/0/0"))) == {"AroundVaduz"}


def test_a_statement_registered_from_python_is_refused_at_the_start(database: str) -> None:
    layer = SqlLayer(id="AroundVaduz", sql=_STATEMENT)
    flagstone = Flagstone(layers=[layer], DATABASE_URL=database, FLAGSTONE_TMS_DIRECTORY=str(GRIDS))
    with pytest.raises(
        ConfigurationError, match="layer 'AroundVaduz': AroundVaduz is the id of a tile matrix set"
    ):
        flagstone.init_app(Flask("host"))


def test_a_composite_named_like_a_custom_grid_stops_the_start(
    make_app: MakeApp, database: str, tmp_path: Path
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[composites.AroundVaduz]\nlayers = ["public.a"]')
    with pytest.raises(
        ConfigurationError,
        match="'AroundVaduz' cannot be the name of a composite: it is the id of a tile matrix set",
    ):
        make_app(database, FLAGSTONE_TMS_DIRECTORY=str(GRIDS), FLAGSTONE_LAYERS_FILE=str(file))
    assert get(make_app(database, FLAGSTONE_LAYERS_FILE=str(file)), "/livez").status_code == 200


def test_a_running_worker_keeps_the_last_good_file(make_app: MakeApp, database: str, tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "other.sql").write_text(_STATEMENT)
    file = tmp_path / "layers.toml"
    file.write_text('[composites.base]\nlayers = ["other"]')
    app = make_app(database, FLAGSTONE_TMS_DIRECTORY=str(GRIDS), FLAGSTONE_LAYERS_FILE=str(file),
                   FLAGSTONE_SQL_DIRECTORY=str(tmp_path / "sql"))  # fmt: skip
    assert get(app, "/tiles/base/0/0/0").status_code == 200
    file.write_text('[composites.AroundVaduz]\nlayers = ["other"]')
    app.extensions["flagstone"].catalog.reload()
    assert get(app, "/tiles/base/0/0/0").status_code == 200
