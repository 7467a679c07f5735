"""`python -m bench.fuzz`: many requests against Flagstone on a real database, each answer judged.

No answer may be a 500, hold what the database says, or show what the login may not read. TEST_DATABASE_URL names a
PostgreSQL, in which a database and a login are made and removed again.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

import psycopg
from flask import Flask
from werkzeug.test import run_wsgi_app

from app import create_app
from app.repository import sample
from app.settings import Settings
from tests.servers.postgres import DatabaseServer

from .fuzz_layers import read
from .fuzz_requests import Requests, Sent

_SQL = Path(__file__).with_name("fuzz.sql")
_STATEMENTS = Path(__file__).parents[1] / "migrations_sample" / "layers"
LOGIN = f"flagstone_fuzz_{os.getpid()}"
"""Of this process alone: two runs may use one server."""
# Values that nothing but a read beyond the grants could bring; and what only PostgreSQL or a traceback says.
_SECRETS = (b"canary-of-table", b"canary-of-column", b"canary-of-row", b"canary-of-filter")
_FOREIGN = (
    b"canary_table", b"canary_note", b"canary_hidden", b"canary_constraint", b"Traceback (most", b"psycopg", b"syntax error at",
    b"ERROR:", b"DETAIL:", b"HINT:", b"SQLSTATE", b"permission denied", b"violates", b"invalid input syntax", b"out of range for type",
    b'relation "', b'column "', b"pg_catalog.", b"st_asmvt", b"flagstone_fuzz",
)  # fmt: skip
_PASSING = frozenset({503, 504})
"""Answers that a busy machine gives: counted, and told."""


@dataclass
class Verdict:
    """What came of a run: answers by status, and a sentence for each that should not be."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.statuses.values())

    @property
    def share(self) -> float:
        """The part of all requests that was answered 200."""
        return self.statuses[200] / max(1, self.count)


def prepared(dsn: str) -> None:
    """Load the sample and what must stay hidden into an empty database with PostGIS."""
    sample.load(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_SQL.read_bytes())


def run(dsn: str, count: int, seed: int) -> Verdict:
    """Send so many requests to an application on the database `dsn`, as the login in it, and judge the answers."""
    app = create_app(Settings.of(DATABASE_URL=dsn, FLAGSTONE_CATALOG_MISS_INTERVAL_S=3600, FLAGSTONE_SQL_DIRECTORY=str(_STATEMENTS)))
    backend = app.extensions["flagstone"]
    try:
        backend.catalog.catalog()
        return judged(app, islice(Requests(read(dsn), seed), count))
    finally:
        backend.close()


def judged(app: Flask, requests: Iterable[Sent]) -> Verdict:
    """Send these requests, and judge the answers."""
    verdict = Verdict()
    began = time.perf_counter()
    for sent in requests:
        status, body = _answer(app, sent)
        verdict.statuses[status] += 1
        for fault in _faults(sent, status, body):
            verdict.faults.append(f"{fault}: {sent.method} {sent.target[:400]} {dict(sent.headers)}")
    verdict.seconds = time.perf_counter() - began
    return verdict


def _faults(sent: Sent, status: int, body: bytes) -> Iterable[str]:
    if status >= 500 and status not in _PASSING:
        yield f"{status} {body[:200]!r}"
    for secret in _SECRETS:
        # A refusal may repeat what was asked, a tile never does.
        if secret in body and (status == 200 or secret not in _asked(sent)):
            yield f"{secret.decode()} in the answer"
    for phrase in _FOREIGN:
        if phrase in body and phrase not in _asked(sent) and phrase.lower() not in _asked(sent).lower():
            yield f"{phrase.decode()!r} in the answer"


def _asked(sent: Sent) -> bytes:
    return unquote_to_bytes(sent.target) + unquote_plus(sent.target).encode("utf-8", "replace") + repr(unquote_plus(sent.target)).encode("utf-8", "replace")


def _answer(app: Flask, sent: Sent) -> tuple[int, bytes]:
    """As a server would ask the application: the path decoded to bytes, the query string as it came."""
    path, _, query = sent.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": sent.method, "SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query,
        "RAW_URI": sent.target, "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": _Nothing(), "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    for name, value in sent.headers:
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_LENGTH" else f"HTTP_{key}"] = value
    parts, status, headers = run_wsgi_app(app, environ)
    body = b"".join(parts)
    if closing := getattr(parts, "close", None):
        closing()
    if headers.get("Content-Encoding") == "gzip" and body:
        body = gzip.decompress(body)
    heads = "\n".join(f"{name}: {value}" for name, value in headers).encode("latin-1", "replace")
    return int(status.split()[0]), body + b"\n" + heads


class _Nothing:
    """The body of a request without one."""

    def read(self, *_: Any) -> bytes:
        return b""

    def readline(self, *_: Any) -> bytes:
        return b""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m bench.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="requests; default 100,000")
    parser.add_argument("--seed", type=int, default=1, help="of the drawn requests; default 1")
    given = parser.parse_args(arguments)
    dsn = os.environ.get("TEST_DATABASE_URL")
    if not dsn:
        parser.error("TEST_DATABASE_URL must name a PostgreSQL with PostGIS")
    logging.disable()  # a line for each refusal is of no use here
    with ExitStack() as started:
        server = DatabaseServer(dsn)
        started.callback(server.close)
        made = server.create()
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        prepared(made)
        verdict = run(started.enter_context(server.role(made, LOGIN, "")), given.count, given.seed)
    print(report(verdict))
    return 1 if verdict.faults else 0


def report(verdict: Verdict) -> str:
    """The run in a few lines."""
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(verdict.statuses.items()))
    lines = [
        f"{verdict.count:,} requests in {verdict.seconds:.0f} s, {verdict.share:.1%} answered 200 ({statuses})",
        f"{len(verdict.faults):,} answers that should not be", *verdict.faults[:50],
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
