"""What a 304 costs beside an empty Flask view, and what Redis adds to a tile that is kept."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from psycopg import connect

from scripts.lib import packages
from tests.servers.gunicorn import Gunicorn
from tests.servers.site import ask

from ..line import Line
from ..report import Goal
from ..stand import Stand
from ..throughput import CONNECTIONS, Target, run, workers_of
from ..turns import in_turns
from . import city
from .report import Part
from .servers import follow, service, until_kept

EMPTY, MEMORY, REDIS = "empty Flask view", "304, memory cache", "304, Redis"
_TRIES = 5
_ROUNDS_OF_A_HIT = 200
_MOST_MORE_MS = 0.5
_LEAST = 0.8


def measure(stand: Stand, rounds: int, seconds: int, tick: Callable[[], object]) -> Part:
    """A followed layer, two workers: what is asked is answered from what is kept, and is known to be current."""
    if stand.redis_url is None:
        raise RuntimeError("redis-server is not installed")
    dsn = stand.fresh()
    rows = city.make(dsn)
    follow(dsn, city.LAYER)
    with connect(dsn) as connection:
        x, y = city.tile_of(connection, rows // 2, 14)
    path = f"/tiles/{city.LAYER}/14/{x}/{y}"
    memory = service(stand, dsn, stand.redis_url, CACHE_TYPE="memory")
    shared = service(stand, dsn, stand.redis_url)
    for app in (memory, shared):
        until_kept(app, path)
    part = Part(f"Kept tiles of a followed layer, two workers, {CONNECTIONS} connections")
    _hit(part, memory, shared, path)
    program = packages.which("wrk")
    if program is None:
        part.lines.append(("requests per second", "left out: wrk is not installed"))
        return part
    tag = ask(memory.url, path, {"Accept-Encoding": "gzip"}).headers["ETag"]
    if ask(shared.url, path, {"Accept-Encoding": "gzip", "If-None-Match": tag}).status != 304:
        raise RuntimeError(f"{path}: the tag of one service is not that of the other")
    empty = stand.gunicorn(dsn, "bench.empty_app:app", WEB_CONCURRENCY="2")
    header = (f"If-None-Match: {tag}",)
    targets = {
        EMPTY: Target(f"{empty.url}/", workers_of(empty)),
        MEMORY: Target(memory.url + path, workers_of(memory), header),
        REDIS: Target(shared.url + path, workers_of(shared), header),
    }
    found: dict[str, list[float]] = {name: [] for name in targets}
    for number in range(rounds):
        names = list(targets)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            turned = run(program, targets[name], seconds)
            for _ in range(_TRIES):
                if turned.is_even:
                    break
                turned = run(program, targets[name], seconds)
            found[name].append(turned.per_second)
        tick()
    for name, rates in found.items():
        ratio = statistics.median(ours / view for ours, view in zip(rates, found[EMPTY], strict=True))
        part.lines.append(
            (name, f"{statistics.median(rates):,.0f} requests/s, {ratio:.2f} of the empty view")
        )
        if name != EMPTY:
            part.goals.append(
                Goal(
                    f"{name}: at least {_LEAST} of an empty Flask view's requests",
                    f"{ratio:.2f}",
                    ratio >= _LEAST,
                )
            )
    part.figures["requests_per_second"] = found
    return part


def _hit(part: Part, memory: Gunicorn, shared: Gunicorn, path: str) -> None:
    with Line(memory.port) as near, Line(shared.port) as far:
        times = in_turns({"memory": lambda: near.get(path), "Redis": lambda: far.get(path)}, _ROUNDS_OF_A_HIT)
    more = times["Redis"] - times["memory"]
    part.lines += [
        (f"hit, {name} cache, whole answer on one connection", f"{ms:.2f} ms") for name, ms in times.items()
    ]
    part.goals.append(
        Goal(
            f"a hit in Redis adds under {_MOST_MORE_MS} ms to one in memory, median",
            f"{more:+.2f} ms",
            more < _MOST_MORE_MS,
        )
    )
    part.figures["hit_ms"] = times
