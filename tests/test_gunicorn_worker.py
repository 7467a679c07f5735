"""gunicorn's worker that sends headers and body together: every kind of answer still arrives whole."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from app.gunicorn_worker import Together
from tests.conftest import Serve
from tests.servers.gunicorn import Gunicorn

TILE = "/tiles/sample.countries/4/8/5"
NO_TILE = "/tiles/sample.capitals/8/255/0"
FILE = "/static/viewer.js"


@pytest.fixture
def messages() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a line that keeps apart what was sent apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.settimeout(5)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(scope="module")
def app(sample_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    running = Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": sample_database})
    yield running
    running.stop()


def test_headers_wait_for_the_body_and_later_parts_go_at_once(messages: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = messages
    answer = Together(ours)
    answer.sendall(b"headers ")
    answer.sendall(b"body")
    assert theirs.recv(100) == b"headers body"
    answer.sendall(b"more")
    assert theirs.recv(100) == b"more"
    answer.flush()
    ours.close()
    assert theirs.recv(100) == b""


def test_headers_without_a_body_go_when_the_answer_ends(messages: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = messages
    answer = Together(ours)
    answer.sendall(b"headers")
    answer.flush()
    answer.flush()
    assert theirs.recv(100) == b"headers"
    ours.close()
    assert theirs.recv(100) == b""


def test_what_goes_past_the_wait_comes_after_the_headers(messages: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = messages
    answer = Together(ours)
    answer.sendall(b"headers")
    answer.send(b"file")
    assert [theirs.recv(100), theirs.recv(100)] == [b"headers", b"file"]


def test_an_interim_answer_is_sent_before_the_headers_wait(messages: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = messages
    answer = Together(ours)
    answer.send(b"100 Continue")
    assert theirs.recv(100) == b"100 Continue"
    answer.sendall(b"headers")
    answer.sendall(b"body")
    answer.flush()
    ours.close()
    assert theirs.recv(100) + theirs.recv(100) == b"headersbody"


def test_every_kind_of_answer_arrives_on_one_kept_connection(app: Gunicorn) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=20)
    try:
        seen = {}
        for method, path in (("GET", TILE), ("HEAD", TILE), ("GET", NO_TILE), ("GET", FILE), ("HEAD", FILE),
                             ("GET", "/nothing/here"), ("OPTIONS", TILE), ("GET", TILE)):  # fmt: skip
            connection.request(method, path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            length = answer.headers["Content-Length"]
            assert method == "HEAD" or length is None or int(length) == len(body), (method, path)
            assert method != "HEAD" or (body == b"" and length is not None and int(length) > 0), path
            seen[method, path] = answer.status
        assert list(seen.values()) == [200, 200, 204, 200, 200, 404, 200]
        tag = answer.headers["ETag"]
        connection.request("GET", TILE, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.headers["ETag"]) == (304, b"", tag)
    finally:
        connection.close()


def test_requests_sent_at_once_are_answered_in_their_order(serve: Serve, sample_database: str) -> None:
    running = serve(DATABASE_URL=sample_database)
    line = b"%b %b HTTP/1.1\r\nHost: maps.example.org\r\n%b\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as client:
        client.sendall(line % (b"GET", TILE.encode(), b"") + line % (b"GET", NO_TILE.encode(), b"")
                       + line % (b"HEAD", TILE.encode(), b"Connection: close\r\n"))  # fmt: skip
        received = b""
        while part := client.recv(1 << 16):
            received += part
    assert received.count(b"HTTP/1.1 ") == 3
    assert received.index(b"HTTP/1.1 200") < received.index(b"HTTP/1.1 204") < received.rindex(b"HTTP/1.1 200")
