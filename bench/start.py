"""From the start of gunicorn to the last byte of a tile."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator

from scripts.lib import CHECKOUT, child
from tests.servers import port

from . import tables
from .drawing import tile_at
from .line import Line
from .stand import Stand

_MOST_SECONDS = 60.0
_POLL_SECONDS = 0.002


def seconds(stand: Stand, dsn: str, table_count: int, count: int) -> Iterator[float]:
    """So many starts over a database with `table_count` tables; one before them warms the files and is not given."""
    number = table_count // 2
    x, y = tile_at(*tables.place(number), 10)
    path = f"/tiles/{tables.name(number)}/10/{x}/{y}"
    for run in range(count + 1):
        took = _once(stand, dsn, path)
        if run > 0:
            yield took


def _once(stand: Stand, dsn: str, path: str) -> float:
    directory, listen = stand.directory(), port.free()
    variables = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PORT": str(listen), "DATABASE_URL": dsn}
    command = [sys.executable, "-m", "gunicorn", "-c", "python:app.gunicorn_conf", "wsgi:app"]
    with (directory / "log").open("wb") as log:
        began = time.perf_counter()
        process = child.start(command, cwd=directory, env=variables, output=log)
        try:
            _wait(listen, began, directory)
            with Line(listen) as line:
                status, body = line.get(path)
            took = time.perf_counter() - began
        finally:
            child.end(process)
    if status != 200 or not body:
        raise RuntimeError(f"{path} answered {status} after the start")
    return took


def _wait(listen: int, began: float, directory: os.PathLike[str]) -> None:
    while time.perf_counter() - began < _MOST_SECONDS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", listen)) == 0:
                return
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"gunicorn did not listen within {_MOST_SECONDS:.0f} s; its log is in {directory}")
