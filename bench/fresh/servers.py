"""Flagstone as it stands behind a balancer: services of two workers, on hosts of their own, with one Redis."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import psutil
from flask import Flask

from app import create_app
from app.settings import Settings
from tests.servers.gunicorn import Gunicorn

from ..line import Line
from ..stand import Stand

MAX_AGE_S = 1.0
"""FLAGSTONE_CHANGES_MAX_AGE_MS, as it is by default."""


def follow(dsn: str, *layers: str) -> None:
    """`flask changes install` for these layers. RuntimeError with what it says where it fails."""
    app = _app(dsn)
    try:
        done = app.test_cli_runner().invoke(args=["changes", "install", *layers])
        if done.exit_code != 0:
            raise RuntimeError(f"flask changes install: {done.output}")
    finally:
        app.extensions["flagstone"].close()


def _app(dsn: str) -> Flask:
    settings = {"DATABASE_URL": dsn, "FLAGSTONE_ADMIN_DATABASE_URL": dsn, "CACHE_TYPE": "NullCache",
                "FLAGSTONE_CATALOG_INTERVAL_S": 0, "FLAGSTONE_CHANGES_POLL_MS": 0}  # fmt: skip
    return create_app(Settings.of(**settings))


def settings(redis_url: str, host: Path, **more: str) -> dict[str, str]:
    """Of one service. Services whose `host` differs do not know of each other's processes."""
    return {
        "CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url, "WEB_CONCURRENCY": "2", "FLAGSTONE_CACHE_TTL_S": "0",
        "FLAGSTONE_LOG_LEVEL": "WARNING", "TMPDIR": str(host), **more,
    }  # fmt: skip


def service(stand: Stand, dsn: str, redis_url: str, **more: str) -> Gunicorn:
    """Two workers on a host of their own."""
    return stand.gunicorn(dsn, **settings(redis_url, stand.directory(), **more))


def until_kept(app: Gunicorn, path: str, patience_s: float = 30.0) -> None:
    """Return once the tile comes out of the cache; RuntimeError where it never does."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        before = queries(app)
        for _ in range(8):
            with Line(app.port) as line:
                line.get(path)
        if queries(app) == before:
            return
        time.sleep(0.1)
    raise RuntimeError(f"{path} is not kept by {app.url}")


def queries(app: Gunicorn) -> int:
    """How many tiles all workers of a service asked the database for."""
    with Line(app.port) as line:
        _, body = line.get("/metrics")
        if b"content-encoding: gzip" in line.head.lower():
            body = gzip.decompress(body)
    lines = body.decode().splitlines()
    return round(
        sum(
            float(each.rpartition(" ")[2])
            for each in lines
            if each.startswith("flagstone_tile_query_seconds_count")
        )
    )


def kill_a_worker(app: Gunicorn, source: random.Random) -> int | None:
    """SIGKILL to one of a service's workers; gunicorn starts another. None where there is none at the moment."""
    children = psutil.Process(app.process.pid).children()
    if not children:
        return None
    chosen = source.choice(children)
    chosen.kill()
    return int(chosen.pid)
