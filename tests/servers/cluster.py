"""A PostgreSQL of the tests' own, in a directory that goes with it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from scripts.lib import postgres

_MEMORY = Path("/dev/shm")
_DISK = "/var/tmp"
_ROOM = 4 * 2**30
"""Bytes free in memory for its files to be kept there: a copy of a template takes fifteen megabytes, several runs share them."""


@contextmanager
def private_cluster() -> Iterator[postgres.Cluster]:
    """A running PostgreSQL. Nothing that it says survives the machine: no fsync."""
    settings = {"max_connections": "200", "wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "128MB",
                "autovacuum": "off", **_preloaded()}  # fmt: skip
    # Not pytest's directories: PostgreSQL's account, where pytest is root, may not enter them.
    with tempfile.TemporaryDirectory(prefix="flagstone-test-", dir=_place()) as directory:
        Path(directory).chmod(0o755)
        cluster = postgres.Cluster(Path(directory) / "postgres", durable=False, settings=settings)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def _place() -> str:
    """In memory where there is room: thousands of databases are made here, each a copy of three hundred files."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ROOM or psutil.virtual_memory().available < 2 * _ROOM:
        return _DISK
    try:
        tempfile.TemporaryDirectory(dir=_MEMORY).cleanup()
    except OSError:
        return _DISK
    return str(_MEMORY)


def _preloaded() -> dict[str, str]:
    """PostGIS loaded once by the server: else each of the tests' many connections loads its libraries, for ten milliseconds."""
    programs = postgres.programs()
    found = programs is not None and (programs.parent / "lib" / "postgis-3.so").is_file()
    return {"shared_preload_libraries": "postgis-3"} if found else {}
