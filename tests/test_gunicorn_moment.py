"""gunicorn's worker stays with a connection whose next request comes at once, and only then."""

import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from app import gunicorn_worker
from tests.conftest import Serve

REQUEST = b"GET /%d HTTP/1.1\r\nHost: maps.example.org\r\n\r\n"
TILE = "/tiles/sample.countries/4/8/5"


def _path(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Line:
    """A worker that is not started, and a connection to it."""

    def __init__(self) -> None:
        config = Config()
        self.worker = gunicorn_worker.Worker(1, 1, [], None, 30, config, Logger(config))
        self.worker.wsgi = _path
        ours, self.client = socket.socketpair()
        self.client.settimeout(10)
        self.connection = TConn(config, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))

    def handle(self) -> Any:
        self.worker._queue.append(self.connection)
        return self.worker.handle(self.connection)

    def answered(self) -> list[str]:
        """The paths that were answered until now."""
        self.client.setblocking(False)
        try:
            received = self.client.recv(1 << 16).decode()
        except BlockingIOError:
            return []
        return [part.split("\r\n\r\n")[1] for part in received.split("HTTP/1.1 200 OK")[1:]]


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    with made.client, made.connection.sock:
        yield made
    made.worker.tmp.close()  # the file of its heartbeat


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment that does not end, on the slowest machine, before the client has sent."""
    monkeypatch.setattr(gunicorn_worker, "_MOMENT_MS", 30_000)


@pytest.mark.usefixtures("long")
def test_the_same_thread_answers_the_next_request(line: Line) -> None:
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(line.handle()))
    thread.start()
    for number in range(3):
        line.client.sendall(REQUEST % number)
        assert line.client.recv(1 << 16).endswith(b"/%d" % number)
        assert thread.is_alive()
    line.client.shutdown(socket.SHUT_WR)
    thread.join(10)
    assert ended == [False]  # the client went, so the connection is not kept


def test_a_connection_that_falls_silent_goes_back_to_the_main_thread(line: Line) -> None:
    line.client.sendall(REQUEST % 1)
    assert line.handle() is True
    assert line.answered() == ["/1"]


@pytest.mark.usefixtures("long")
def test_nobody_waits_for_a_request_while_another_connection_waits_for_a_thread(line: Line) -> None:
    line.client.sendall(REQUEST % 1)
    line.worker._queue.append(line.connection)
    assert line.handle() is True
    assert line.answered() == ["/1"]


@pytest.mark.usefixtures("long")
def test_a_stopping_worker_does_not_wait(line: Line) -> None:
    line.client.sendall(REQUEST % 1)
    line.worker.alive = False
    assert line.handle() is False  # gunicorn has told the client that the connection closes
    assert line.answered() == ["/1"]


@pytest.mark.usefixtures("long")
def test_a_request_that_was_read_with_the_one_before_is_left_to_the_main_thread(line: Line) -> None:
    line.client.sendall(REQUEST % 1 + REQUEST % 2)
    assert line.handle() is True
    assert line.answered() == ["/1"]
    line.client.shutdown(socket.SHUT_WR)
    assert line.handle() is False
    assert line.answered() == ["/2"]


def test_one_thread_serves_a_busy_connection_an_idle_one_and_a_new_one(serve: Serve, sample_database: str) -> None:
    running = serve(DATABASE_URL=sample_database, FLAGSTONE_THREADS="1", WEB_CONCURRENCY="1")
    request = b"GET %b HTTP/1.1\r\nHost: maps.example.org\r\n\r\n" % TILE.encode()
    stop = threading.Event()
    answers = []

    def keep_busy() -> None:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as busy:
            while not stop.is_set():
                busy.sendall(request)
                answers.append(busy.recv(1 << 16)[:12])

    thread = threading.Thread(target=keep_busy)
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as idle:
        idle.sendall(request)
        assert idle.recv(1 << 16).startswith(b"HTTP/1.1 200")
        thread.start()
        try:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", running.port), timeout=20) as new:
                    new.sendall(request)
                    assert new.recv(1 << 16).startswith(b"HTTP/1.1 200")
            idle.sendall(request)
            assert idle.recv(1 << 16).startswith(b"HTTP/1.1 200")
        finally:
            stop.set()
            thread.join(20)
    assert set(answers) == {b"HTTP/1.1 200"}
