"""The layers file on the disk: read at the start, and again where it changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from pathlib import Path

from ..errors import ConfigurationError
from ..layers.layers_file import NO_FILE, LayersFile, parse

log = logging.getLogger(__name__)

_MOST_BYTES = 10_000_000
_Signature = tuple[int, int, int]


class LayersFileReader:
    """What the file says now. One that is broken stops the start; later the last good one stays in use, said once."""

    def __init__(self, path: str | None, grids: Collection[str] = ()) -> None:
        """Reads the file; ConfigurationError names it, the table and the key. Without a path there is none.

        `grids` are the ids of custom tile matrix sets.
        """
        self._grids = grids
        self._path = Path(path) if path else None
        self._lock = threading.Lock()
        self._seen: _Signature | None = None
        self._fault: str | None = None
        self._file = NO_FILE
        if self._path is not None:
            self._seen, self._file = _read(self._path, self._grids)

    @property
    def name(self) -> str:
        """How messages call the file."""
        return str(self._path) if self._path else "the layers file"

    @property
    def last(self) -> LayersFile:
        """The last good one, without a look at the disk."""
        return self._file

    def current(self) -> LayersFile:
        """The file as it is; where it cannot be used, as it was. One look at its time and size where it did not change."""
        if self._path is None:
            return self._file
        with self._lock:
            try:
                if _signature(self._path) != self._seen:
                    self._seen, self._file = _read(self._path, self._grids)
                    log.info("%s is read again: %d layers, %d composites", self._path, len(self._file.layers), len(self._file.composites))
                    self._fault = None
            except (ConfigurationError, OSError) as error:
                self._failed(str(error))
            return self._file

    def _failed(self, fault: str) -> None:
        if fault != self._fault:
            log.error("the layers file cannot be used, what it said before stays in force: %s", fault)
        self._fault = fault


def _signature(path: Path) -> _Signature:
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path, grids: Collection[str]) -> tuple[_Signature, LayersFile]:
    """The file, with the time and size that it had before and after: whoever writes it may be in the middle of that."""
    signature = _signature(path)
    if not path.is_file():  # a pipe would be waited for, and a second look at it would find it empty
        raise ConfigurationError(f"{path} cannot be read: it is no file")
    if signature[1] > _MOST_BYTES:
        raise ConfigurationError(f"{path} is too large: {signature[1]} bytes, at most {_MOST_BYTES} are read")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")  # some editors begin a file with a byte order mark, which TOML does not know
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    return signature, parse(text, str(path), grids)
