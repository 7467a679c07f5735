"""Requests per second of kept answers, beside an empty Flask view under the same gunicorn."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from scripts.lib import packages
from tests.servers.gunicorn import Gunicorn

from .line import Line
from .stand import Stand

CONNECTIONS = 16
EMPTY_VIEW, MEMORY, EMPTY_TILE, REDIS, NGINX = (
    "empty Flask view", "tile, memory cache", "empty tile, memory cache", "tile, Redis", "tile, nginx",
)  # fmt: skip
TILE = "/tiles/sample.capitals/6/33/22"
"""Some capitals of Europe, some hundred bytes: what is measured is the server, not the network."""
NO_TILE = "/tiles/sample.capitals/8/255/0"
WORKERS = "2"


@dataclass
class Throughput:
    """Requests per second, one figure for each round."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def best(self, name: str) -> float:
        """Of the rounds. Other load only takes away, and so does chance: the workers take connections as they come,
        and where one has taken nearly all sixteen, half of the machine looks on."""
        return max(self.rounds[name])

    def ratio(self, name: str) -> float:
        """The best of this one's figures divided by the best of the empty view's."""
        return self.best(name) / self.best(EMPTY_VIEW)


def measure(stand: Stand, rounds: int, seconds: int, done: Callable[[], None]) -> Throughput | None:
    """None where there is no wrk. `done` is called after each run."""
    program = packages.which("wrk")
    if program is None:
        return None
    found = Throughput()
    targets = dict(_targets(stand))
    for _ in range(rounds):
        for name, url in targets.items():
            found.rounds.setdefault(name, []).append(_requests_per_second(program, url, seconds))
            done()
    return found


def count(rounds: int) -> int:
    """How many runs of wrk there will be."""
    return rounds * 5


def _targets(stand: Stand) -> list[tuple[str, str]]:
    dsn = stand.sample
    empty = stand.gunicorn(dsn, "bench.empty_app:app", WEB_CONCURRENCY=WORKERS)
    # An hour: nothing is made anew while wrk runs.
    kept = {"WEB_CONCURRENCY": WORKERS, "FLAGSTONE_CACHE_TTL_S": "3600"}
    memory = stand.gunicorn(dsn, **kept)
    behind = stand.gunicorn(dsn, **kept, FLAGSTONE_TRUSTED_PROXIES="1")
    apps = [memory, behind]
    targets = [(EMPTY_VIEW, f"{empty.url}/"), (MEMORY, memory.url + TILE), (EMPTY_TILE, memory.url + NO_TILE)]
    if stand.redis_url is not None:
        redis = stand.gunicorn(dsn, **kept, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=stand.redis_url)
        targets.append((REDIS, redis.url + TILE))
        apps.append(redis)
    proxy = stand.nginx(behind)
    if proxy is not None:
        targets.append((NGINX, proxy.url + TILE))
    for app in apps:
        _warm(app)
    return targets


def _warm(app: Gunicorn) -> None:
    """Each worker has the tiles once a few connections have asked: which worker takes one is the system's choice."""
    for path, expected in ((TILE, 200), (NO_TILE, 204)):
        for _ in range(12):
            with Line(app.port) as line:
                status, _body = line.get(path)
            if status != expected:
                raise RuntimeError(f"{path} answered {status}, not {expected}")


def _requests_per_second(program: str, url: str, seconds: int) -> float:
    answer = subprocess.run(
        [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", "Accept-Encoding: gzip", url],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = re.search(r"^Requests/sec:\s*([\d.]+)", answer, re.MULTILINE)
    if found is None or "Non-2xx" in answer or "Socket errors" in answer:
        raise RuntimeError(f"wrk and {url}: {answer}")
    return float(found[1])
