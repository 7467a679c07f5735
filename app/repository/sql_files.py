"""Layers out of a directory of `.sql` files: one file, one statement, one layer with the file's name as its id."""

from __future__ import annotations

import stat
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigurationError
from ..layers.sql_layer import SqlLayer, named_like_a_grid
from .sql_script import first_words
from .sql_text import BadSql

_MOST_BYTES = 1_000_000
"""A statement of this size would be planned for every tile; what is larger is a dump and no layer."""
_CREATED = frozenset({"function", "procedure"})


class SqlFiles(NamedTuple):
    """The layers of a directory, why some of its files are none, by file name, and what is wrong with all of it."""

    layers: tuple[SqlLayer, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    notice: str | None = None


def read(directory: str | None, *, only: str | None = None, grids: Collection[str] = ()) -> SqlFiles:
    """The `.sql` files of a directory, in the order of their names. A file at fault costs only itself.

    `only` is the id of one layer that is looked up alone; `grids` are the ids of custom tile matrix sets.
    """
    if directory is None:
        return SqlFiles()
    folder = Path(directory)
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".sql" and not path.name.startswith("."))
        home = folder.resolve(strict=True)
    except OSError as error:
        return SqlFiles(notice=f"FLAGSTONE_SQL_DIRECTORY: {directory} cannot be read: {error.strerror or 'unknown error'}")
    layers: list[SqlLayer] = []
    refused: list[tuple[str, str]] = []
    for path in files:
        if only not in (None, path.stem):
            continue
        if path.stem in grids:
            refused.append((path.name, named_like_a_grid(path.stem)))
            continue
        try:
            layers.append(SqlLayer.from_text(path.stem, _text(path, home)))
        except (ConfigurationError, _Unusable) as error:
            refused.append((path.name, str(error).removeprefix(f"layer {path.stem!r}: ")))
    return SqlFiles(tuple(layers), tuple(refused))


class _Unusable(Exception):
    """Why a file is no layer."""


def _text(path: Path, home: Path) -> str:
    try:
        real = path.resolve(strict=True)
        about = real.stat()
        if not real.is_relative_to(home):
            raise _Unusable("it is a link to a file outside of the directory")
        if not stat.S_ISREG(about.st_mode):
            raise _Unusable("it is no plain file")
        if about.st_size > _MOST_BYTES:
            raise _Unusable(f"it has {about.st_size:,} bytes, a layer has at most {_MOST_BYTES:,}")
        text = real.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _Unusable(f"it cannot be read: {error.strerror or 'unknown error'}") from error
    except UnicodeDecodeError as error:
        raise _Unusable(f"it is not UTF-8: byte {error.start} belongs to no character") from error
    if creates_function(text):
        raise _Unusable(
            "it creates a function, which the server never does; "
            f"`flask catalog install {path.name}` puts the function into the database, once"
        )
    return text


def creates_function(text: str) -> bool:
    """Whether the first statement of a text is CREATE FUNCTION."""
    try:
        words = first_words(text)
    except BadSql:
        return False
    if words[1:3] == ["or", "replace"]:
        del words[1:3]
    return words[:1] == ["create"] and not _CREATED.isdisjoint(words[1:2])
