"""A directory of tile matrix sets: what cannot be used is named at the start, with its reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.layers.grid_files import read_directory
from app.layers.grids import BUILT_IN, Grids
from tests.conftest import MakeApp

GOOD: dict[str, Any] = json.loads((Path(__file__).parent / "grids" / "SwissFromBelow.json").read_text())


def _refusal(folder: Path, text: str, name: str = "Mine.json") -> str:
    (folder / name).write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_directory(str(folder), BUILT_IN)
    message = str(refused.value)
    assert message.startswith("FLAGSTONE_TMS_DIRECTORY: ") and name in message
    return message


def _changed(**members: Any) -> str:
    return json.dumps({**GOOD, "id": "Mine", **members})


def _with_matrix(**members: Any) -> str:
    first, *others = GOOD["tileMatrices"]
    return _changed(tileMatrices=[{**first, **members}, *others])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"), ("{", "no JSON"), ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "no JSON"), ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"), ("{}", "no tileMatrices"), (_changed(id="Other"), "its id is 'Other'"), (_changed(id=5), "its id is 5"),
        (_changed(tileMatrices=[]), "no tileMatrices"), (_changed(tileMatrices=7), "no tileMatrices"), (_changed(tileMatrices=[7]), "no whole number"),
        (_with_matrix(id="a"), "the id 'a' of a tile matrix is no whole number"), (_with_matrix(id="1.5"), "no whole number"),
        (_with_matrix(id="EPSG:2056:0"), "no whole number"), (_with_matrix(id="00"), "no whole number"), (_with_matrix(id=0), "no whole number"),
        (_with_matrix(id="-0"), "no whole number"), (_with_matrix(id="1"), "two tile matrices have the id '1'"), (_with_matrix(id="-100"), "beyond ±99"),
        (_with_matrix(cellSize=0), "cellSize"), (_with_matrix(cellSize=-5), "cellSize"), (_with_matrix(cellSize="wide"), "cellSize"),
        (_with_matrix(pointOfOrigin=[1]), "pointOfOrigin"), (_with_matrix(matrixWidth=0), "matrixWidth"), (_with_matrix(tileWidth=0), "tileWidth"),
        (_with_matrix(cornerOfOrigin="middle"), "cornerOfOrigin"), (_with_matrix(cellSize=1.0), "larger than those of the zoom before"),
        (_with_matrix(variableMatrixWidths=[{"coalesce": 3, "minTileRow": 0, "maxTileRow": 0}], matrixWidth=4), "does not divide"),
        (_with_matrix(variableMatrixWidths=[{"coalesce": 2, "minTileRow": 0, "maxTileRow": 99}], matrixWidth=4), "a row of variableMatrixWidths"),
        (_changed(crs="http://www.opengis.net/def/crs/EPSG/0/999999"), "crs"), (_changed(crs="nonsense"), "crs"), (_changed(crs={"wkt": {}}), "crs"),
        (_changed(crs="http://www.opengis.net/def/crs/EPSG/0/5773"), "neither geographic nor projected"),
        (_changed(crs="http://www.opengis.net/def/crs/EPSG/0/4979"), "more than two axes"), (_changed(crs="ESRI:104905"), "longitude and latitude of the earth"),
        (_changed(crs={"referenceSystem": {"code": 1}}), "referenceSystem"),
        (json.dumps({"identifier": "Mine", "supportedCRS": "EPSG:3857", "tileMatrix": []}), "TMS 1.0"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in _refusal(tmp_path, text)


def test_the_id_of_a_grid_that_is_built_in_is_refused(tmp_path: Path) -> None:
    message = _refusal(tmp_path, json.dumps({**GOOD, "id": "WebMercatorQuad"}), "WebMercatorQuad.json")
    assert "WebMercatorQuad is the id of a tile matrix set that is built in" in message


@pytest.mark.parametrize(("stem", "reason"), [("tiles", "a word of Flagstone's addresses"), ("a b", "other characters"), ("a.b", "other characters"), ("a,b", "other characters")])
def test_ids_that_no_address_could_hold_are_refused(tmp_path: Path, stem: str, reason: str) -> None:
    assert reason in _refusal(tmp_path, json.dumps({**GOOD, "id": stem}), f"{stem}.json")


def test_all_files_that_cannot_be_used_are_named_at_once(tmp_path: Path, make_app: MakeApp) -> None:
    (tmp_path / "One.json").write_text("{")
    (tmp_path / "Two.json").write_text("[]")
    (tmp_path / "notes.txt").write_text("not read")
    with pytest.raises(ConfigurationError, match=r"One\.json: .*; Two\.json: "):
        make_app("postgresql://nowhere/x", FLAGSTONE_TMS_DIRECTORY=str(tmp_path))


def test_a_directory_that_is_not_there_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no directory"):
        make_app("postgresql://nowhere/x", FLAGSTONE_TMS_DIRECTORY=str(tmp_path / "none"))


def test_a_file_without_an_id_has_that_of_its_name(tmp_path: Path) -> None:
    document = {name: value for name, value in GOOD.items() if name != "id"}
    (tmp_path / "Mine.json").write_text(json.dumps(document))
    assert Grids(read_directory(str(tmp_path), BUILT_IN)).get("Mine").maxzoom == 8


def test_an_empty_directory_adds_nothing(tmp_path: Path) -> None:
    assert Grids(read_directory(str(tmp_path), BUILT_IN)).ids == BUILT_IN


def test_config_check_names_the_files_that_are_in_use(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_TMS_DIRECTORY=str(Path(__file__).parent / "grids"))
    shown = app.test_cli_runner().invoke(args=["config", "check"])
    assert shown.exit_code == 0
    assert "tile matrix sets of FLAGSTONE_TMS_DIRECTORY: ArcticBelowZero, AroundVaduz" in shown.output


def test_morecantile_s_own_reading_of_the_environment_changes_nothing(tmp_path: Path) -> None:
    """It would put the files of TILEMATRIXSET_DIRECTORY in the place of its own, unchecked."""
    (tmp_path / "WebMercatorQuad.json").write_text(json.dumps({**GOOD, "id": "WebMercatorQuad"}))
    program = "from app.layers.grids import Grids; print(Grids().get('WebMercatorQuad').crs.srid)"
    checkout = Path(__file__).parent.parent
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=checkout, env={"TILEMATRIXSET_DIRECTORY": str(tmp_path), "PYTHONPATH": str(checkout)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.strip() == "3857"
