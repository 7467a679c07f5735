"""A directory of tile matrix sets (TMS 2.0, OGC 17-083r4 Annex C): each file is read and judged before anything starts."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyproj
from morecantile import TileMatrixSet
from morecantile.errors import MorecantileError
from pydantic import ValidationError
from pyproj.exceptions import CRSError

from ..errors import ConfigurationError
from .crs import is_on_earth
from .names import RESERVED

_MOST_BYTES = 4_000_000
_FARTHEST_ZOOM = 99


class _Refused(Exception):
    """Why a file cannot be used."""


def read_directory(directory: str, taken: Collection[str]) -> dict[str, TileMatrixSet]:
    """The sets by id. ConfigurationError names every file that cannot be used, with its reason.

    `taken` are ids that no file may have: what a map asks for by such an id must not depend on a file.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise ConfigurationError(f"FLAGSTONE_TMS_DIRECTORY: there is no directory {directory!r}")
    found, refused = {}, []
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = _read(path, taken)
        except _Refused as reason:
            refused.append(f"{path.name}: {reason}")
    if refused:
        raise ConfigurationError("FLAGSTONE_TMS_DIRECTORY: " + "; ".join(refused))
    return found


def ids(directory: str | None) -> frozenset[str]:
    """The ids that the files of the directory give, which no statement of the application and no composite may have."""
    return frozenset() if directory is None else frozenset(path.stem for path in Path(directory).glob("*.json"))


def _read(path: Path, taken: Collection[str]) -> TileMatrixSet:
    document = _document(path)
    _check_id(document.get("id", path.stem), path.stem, taken)
    _check_matrix_ids(document.get("tileMatrices"))
    try:
        # From text, not from the object: only so are `http://…` of the CRS read as morecantile reads its own.
        source = TileMatrixSet.model_validate_json(json.dumps(document))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"][:3])
        raise _Refused(f"{place}: {fault['msg']}" if place else str(fault["msg"])) from None
    except CRSError:
        raise _Refused("PROJ does not know its crs") from None
    except NotImplementedError:
        raise _Refused("a crs given as referenceSystem cannot be read; give a uri, or wkt as PROJJSON") from None
    except MorecantileError as error:
        raise _Refused(str(error)) from None
    _check_crs(source)
    _check_matrices(source)
    return source


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _Refused(f"it is larger than {_MOST_BYTES // 1_000_000} MB")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise _Refused(f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise _Refused(f"it is no JSON ({error})") from None
    if not isinstance(document, dict):
        raise _Refused("it is no JSON object")
    if {"supportedCRS", "identifier", "tileMatrix"} & document.keys():
        raise _Refused("it is written as TMS 1.0; TMS 2.0 has id, crs and tileMatrices")
    return document


def _check_id(grid_id: object, stem: str, taken: Collection[str]) -> None:
    if grid_id != stem:
        raise _Refused(f"its id is {grid_id!r}, and the file must be named by it")
    if not all(character.isalnum() or character in "_-" for character in stem):
        raise _Refused(f"the id {stem!r} has other characters than letters, digits, _ and -")
    if stem in taken:
        raise _Refused(f"{stem} is the id of a tile matrix set that is built in; give it another one")
    if stem in RESERVED:
        raise _Refused(f"{stem} is a word of Flagstone's addresses; give it another id")


def _check_matrix_ids(matrices: object) -> None:
    if not isinstance(matrices, list) or not matrices:
        raise _Refused("it has no tileMatrices")
    zooms = set()
    for matrix in matrices:
        text = matrix.get("id") if isinstance(matrix, dict) else None
        digits = text.removeprefix("-") if isinstance(text, str) else ""
        if not (digits.isascii() and digits.isdigit()) or str(int(digits[:9])) != digits or text == "-0":
            raise _Refused(f"the id {text!r} of a tile matrix is no whole number; a tile's address has the zoom in its place")
        if int(digits) > _FARTHEST_ZOOM:
            raise _Refused(f"zoom {text} is beyond ±{_FARTHEST_ZOOM}")
        if text in zooms:
            raise _Refused(f"two tile matrices have the id {text!r}")
        zooms.add(text)


def _check_crs(source: TileMatrixSet) -> None:
    projection: pyproj.CRS = source.crs._pyproj_crs  # noqa: SLF001
    if not (projection.is_geographic or projection.is_projected):
        raise _Refused("its crs is neither geographic nor projected")
    if len(projection.axis_info) > 2:
        raise _Refused("its crs has more than two axes")
    if not is_on_earth(projection.to_wkt()):
        raise _Refused("its crs cannot be turned into longitude and latitude of the earth")


def _check_matrices(source: TileMatrixSet) -> None:
    before = math.inf
    for matrix in source.tileMatrices:
        said = f"tile matrix {matrix.id}"
        if not (math.isfinite(matrix.cellSize) and matrix.cellSize > 0):
            raise _Refused(f"the cellSize of {said} is not above 0")
        if not all(map(math.isfinite, matrix.pointOfOrigin)):
            raise _Refused(f"the pointOfOrigin of {said} is not finite")
        span = matrix.cellSize * matrix.tileWidth
        if span > before:
            raise _Refused(f"the tiles of {said} are larger than those of the zoom before it")
        before = span
        for width in matrix.variableMatrixWidths or ():
            if not width.minTileRow <= width.maxTileRow < matrix.matrixHeight:
                raise _Refused(f"a row of variableMatrixWidths is not in {said}")
            if matrix.matrixWidth % width.coalesce:
                raise _Refused(f"{width.coalesce} of variableMatrixWidths does not divide the width of {said}")
