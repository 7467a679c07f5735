"""From COMMIT to the first correct tile, and through nginx; and one query for many who want the same."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import mapbox_vector_tile
import psycopg

from tests.servers.gunicorn import Gunicorn
from tests.servers.site import ask

from ..drawing import tile_at
from ..report import Goal
from ..stand import Stand
from ..turns import percentile
from . import city
from .report import Part
from .servers import follow, queries, service, until_kept

CLIENTS = 64
_GOAL_MS = 100.0
_ZOOM = 14
_GIVE_UP_S = 10.0
_AGE = re.compile(r"s-maxage=(\d+)")


def measure(stand: Stand, edits: int, seed: int, tick: Callable[[], object]) -> Part:
    """One client that asks without pause, whichever worker answers, from the moment at which COMMIT returned."""
    redis_url = _redis(stand)
    dsn = stand.fresh()
    rows = city.make(dsn)
    follow(dsn, city.LAYER)
    app = service(stand, dsn, redis_url, FLAGSTONE_TRUSTED_PROXIES="1")
    proxy = stand.nginx(app)
    part = Part(f"From COMMIT to the first correct tile: {edits} edits, two workers, Redis")
    buildings = city.some(edits, rows, seed)
    until_kept(app, _path(dsn, buildings[0]))
    own = _delays(dsn, app.url, buildings, 1, tick)
    _say(part, "Flagstone", own, f"under {_GOAL_MS:.0f} ms at p95", _GOAL_MS, tick)
    if proxy is not None:
        found = _AGE.search(ask(proxy.url, _path(dsn, buildings[0])).headers["Cache-Control"] or "")
        promised_s = int(found[1]) if found else 0
        through = _delays(dsn, proxy.url, buildings[: max(8, edits // 4)], 2, tick)
        # Polled and made, beyond the age that a copy may have: nginx counts whole seconds, so it shows one for nearly one more.
        what = f"through nginx under the {promised_s} s of its s-maxage, one of nginx' whole seconds, and {_GOAL_MS:.0f} ms, p95"
        _say(part, "through nginx", through, what, (promised_s + 1) * 1000 + _GOAL_MS, tick)
        part.figures["s_maxage_s"] = promised_s
    else:
        part.lines.append(("through nginx", "left out: nginx is not installed"))
    return part


def _delays(
    dsn: str, url: str, buildings: Sequence[int], turn: int, tick: Callable[[], object]
) -> list[float]:
    """Milliseconds of each edit. The tile is in the cache, in its state before, when the edit comes."""
    found: list[float] = []
    with psycopg.connect(dsn) as connection:
        for number, building in enumerate(buildings):
            path = _path(dsn, building)
            counter = turn * 1_000_000 + number + 1
            # Both workers have it, and the moment of the edit falls anywhere between two readings.
            for _ in range(4):
                _counter(url, path, building)
            time.sleep(0.05 + 0.05 * (number * 0.618 % 1))
            _counter(url, path, building)
            connection.execute("UPDATE public.building SET counter = %s WHERE id = %s", [counter, building])
            connection.commit()
            committed = time.perf_counter()
            while (
                shown := _counter(url, path, building)
            ) != counter and time.perf_counter() < committed + _GIVE_UP_S:
                pass
            found.append((time.perf_counter() - committed) * 1000 if shown == counter else float("inf"))
            # And not an old one after it.
            for _ in range(4):
                if shown == counter and _counter(url, path, building) != counter:
                    found[-1] = float("inf")
            tick()
    return found


def _say(
    part: Part, name: str, found: Sequence[float], what: str, most_ms: float, tick: Callable[[], object]
) -> None:
    p95 = percentile(found, 0.95)
    never = sum(each == float("inf") for each in found)
    part.lines.append(
        (
            f"{name}: median, p95, most",
            f"{statistics.median(found):.0f} ms, {p95:.0f} ms, {max(found):.0f} ms",
        )
    )
    part.goals.append(Goal(f"COMMIT to the first correct tile: {what}", f"{p95:.0f} ms", p95 < most_ms))
    part.figures[name] = [None if each == float("inf") else each for each in found]
    if never:
        part.found.append(
            f"{name}: {never} edits were not seen within {_GIVE_UP_S:.0f} s, or an old tile came after the new one"
        )


def stampede(stand: Stand, tick: Callable[[], object], rounds: int = 5) -> Part:
    """Clients that want one tile at once, of which nobody has it and which takes a second: how often the database is asked."""
    redis_url = _redis(stand)
    dsn = stand.fresh()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.dot (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO public.dot VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")
        connection.execute(
            "CREATE VIEW public.slow AS SELECT id, geom, (SELECT pg_sleep(1.0) IS NULL) AS waited FROM public.dot"
        )
    services = [
        service(stand, dsn, redis_url, FLAGSTONE_CACHE_TTL_S="60", FLAGSTONE_CATALOG_INTERVAL_S="0")
        for _ in range(2)
    ]
    asked: list[int] = []
    statuses: Counter[str] = Counter()
    took: list[float] = []
    for zoom in range(4, 4 + rounds):
        x, y = tile_at(9.5, 47.1, zoom)
        before = sum(map(queries, services))
        began = time.perf_counter()
        statuses += _at_once(services, f"/tiles/public.slow/{zoom}/{x}/{y}")
        took.append(time.perf_counter() - began)
        asked.append(sum(map(queries, services)) - before)
        tick()
    part = Part(f"{CLIENTS} clients on one cold tile of one second, four workers, {rounds} times")
    part.lines = [
        ("queries each time", ", ".join(map(str, asked))),
        ("answers", ", ".join(f"{status}: {count}" for status, count in statuses.most_common())),
        ("until all had their answer, median", f"{statistics.median(took):.2f} s"),
    ]
    came = statuses["200"]
    part.goals = [
        Goal(f"{CLIENTS} clients on one cold tile: one query", f"{max(asked)} at most", set(asked) == {1}),
        Goal("and the tile for each of them", f"{came} of {CLIENTS * rounds}", came == CLIENTS * rounds),
    ]
    part.figures = {"queries": asked, "statuses": dict(statuses), "seconds": took}
    return part


def _at_once(services: Sequence[Gunicorn], path: str) -> Counter[str]:
    statuses: Counter[str] = Counter()
    lock, gate = threading.Lock(), threading.Barrier(CLIENTS)

    def client(number: int) -> None:
        gate.wait()
        try:
            answer = ask(services[number % len(services)].url, path, timeout=30)
            said = (
                str(answer.status)
                if answer.status == 200
                else f"{answer.status} ({answer.json.get('detail', '')})"
            )
        except OSError as error:
            said = type(error).__name__
        with lock:
            statuses[said] += 1

    threads = [threading.Thread(target=client, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def _counter(url: str, path: str, building: int) -> int | None:
    """What a tile shows of a building; None where it does not show it."""
    answer = ask(url, path)
    if answer.status != 200:
        return None
    layers = mapbox_vector_tile.decode(answer.body)
    shown = (
        feature for layer in layers.values() for feature in layer["features"] if feature["id"] == building
    )
    return next((int(feature["properties"]["counter"]) for feature in shown), None)


def _path(dsn: str, building: int) -> str:
    with psycopg.connect(dsn) as connection:
        x, y = city.tile_of(connection, building, _ZOOM)
    return f"/tiles/{city.LAYER}/{_ZOOM}/{x}/{y}"


def _redis(stand: Stand) -> str:
    if stand.redis_url is None:
        raise RuntimeError("redis-server is not installed")
    return stand.redis_url
