"""`flask changes serve` as a process of its own, and somebody who listens to it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

from scripts.lib import CHECKOUT, child

from . import port

PATIENCE_S = 15.0
StartEvents: TypeAlias = "Callable[..., EventServer]"


class EventServer:
    """Runs with nothing but the given settings."""

    def __init__(self, directory: Path, settings: Mapping[str, str], *options: str) -> None:
        self.port = int(settings.get("FLAGSTONE_EVENTS_BIND", f":{port.free()}").rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "events.log"
        bind = {"FLAGSTONE_EVENTS_BIND": f"127.0.0.1:{self.port}"}
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), **bind, **settings}
        with self.log.open("ab") as output:
            self.process = child.start(
                [sys.executable, "-m", "flask", "--app", "wsgi", "changes", "serve", *options],
                cwd=directory, env=environment, output=output,
            )  # fmt: skip
        port.wait_for(self.port, self.process, self.log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        child.end(self.process)


@contextmanager
def starting(directory: Path) -> Iterator[StartEvents]:
    """A function that starts the process on a database: `start(dsn, "--hook", "http://…", FLAGSTONE_…=…)`."""
    with ExitStack() as started:

        def start(dsn: str, *options: str, **settings: object) -> EventServer:
            given = {"DATABASE_URL": dsn, **{name: str(value) for name, value in settings.items()}}
            return started.enter_context(EventServer(directory, given, *options))

        yield start


class Heard(NamedTuple):
    """One server-sent event."""

    kind: str
    data: Any
    id: str


class Stream:
    """Listens. `retry` and `beats` are what it was told beside events."""

    def __init__(self, url: str, layers: str, **headers: str) -> None:
        host, slash, prefix = url.removeprefix("http://").partition("/")
        self._connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", f"{slash}{prefix}/events?layers={layers}", headers=said)
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.retry: int | None = None
        self.last_id = ""
        self.beats = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._connection.close()

    def next(self) -> Heard:
        """The next event; fails where none comes in time."""
        kind, data = "message", ""
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream ended"
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry = int(value)
            elif name == "event":
                kind = value
            elif name == "data":
                data += value
            elif not name:
                if data:
                    return Heard(kind, json.loads(data), self.last_id)
                self.beats += 1

    def until(self, *kinds: str, seconds: float = PATIENCE_S) -> Heard:
        """The next event of one of these kinds that is told for the first time."""
        latest = time.monotonic() + seconds
        while time.monotonic() < latest:
            heard = self.next()
            if heard.kind in kinds and not (heard.kind == "change" and heard.data["again"]):
                return heard
        raise AssertionError(f"no {kinds} came")


def open_socket(server: EventServer, layers: str, receives: int | None = None) -> socket.socket:
    """A connection that asked to listen and reads nothing; `receives` is the size of its buffer."""
    made = socket.socket()
    if receives is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    made.settimeout(PATIENCE_S)
    made.connect(("127.0.0.1", server.port))
    made.sendall(f"GET /events?layers={layers} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return made
