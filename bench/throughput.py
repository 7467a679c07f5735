"""Requests per second of kept answers, and what they cost, beside an empty Flask view under the same gunicorn."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

from scripts.lib import packages
from tests.servers.gunicorn import Gunicorn
from tests.servers.nginx import Nginx

from .line import Line
from .stand import Stand

CONNECTIONS = 16
EMPTY_VIEW, MEMORY, EMPTY_TILE, REDIS, NGINX, CEILING = (
    "empty Flask view", "tile, memory cache", "empty tile, memory cache", "tile, Redis", "tile, nginx",
    "nginx, as many bytes from its configuration",
)  # fmt: skip
TILE = "/tiles/sample.capitals/6/33/22"
"""Some capitals of Europe, some hundred bytes: what is measured is the server, not the network."""
NO_TILE = "/tiles/sample.capitals/8/255/0"
WORKERS = 2
_LEAST_SHARE = 0.25
"""Of the processors' time that all workers of a server took, the least that each of two must have had."""
_TRIES = 5


@dataclass(frozen=True)
class Run:
    """One run of wrk: requests each second, and the processors' time of the server's workers for each request."""

    per_second: float
    cpu_us: float
    shares: tuple[float, ...]
    """Of that time, the part of each worker."""

    @property
    def is_even(self) -> bool:
        """Whether no worker looked on. Which of them takes a connection is chance, and it keeps what it took."""
        return min(self.shares) * len(self.shares) >= 2 * _LEAST_SHARE


@dataclass
class Throughput:
    """The runs of each target, one in each round."""

    rounds: dict[str, list[Run]] = field(default_factory=dict)
    repeated: int = 0
    """Runs that did not count, because one worker had nearly all connections."""

    def per_second(self, name: str) -> float:
        """The median of the rounds."""
        return statistics.median(run.per_second for run in self.rounds[name])

    def cpu_us(self, name: str) -> float:
        """The median of the rounds, in microseconds for each request."""
        return statistics.median(run.cpu_us for run in self.rounds[name])

    def ratios(self, name: str) -> list[float]:
        """For each round, this one's requests per second divided by those of the empty view, the lowest first."""
        pairs = zip(self.rounds[name], self.rounds[EMPTY_VIEW], strict=True)
        return sorted(ours.per_second / empty.per_second for ours, empty in pairs)

    def ratio(self, name: str) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios(name))

    def cpu_ratio(self, name: str) -> float:
        """The empty view's processor time for each request divided by this one's, median of the rounds."""
        pairs = zip(self.rounds[name], self.rounds[EMPTY_VIEW], strict=True)
        return statistics.median(empty.cpu_us / ours.cpu_us for ours, empty in pairs)


@dataclass(frozen=True)
class Target:
    """An address for wrk, the processes that answer there, and headers beside its own."""

    url: str
    workers: tuple[psutil.Process, ...]
    headers: tuple[str, ...] = ()


def measure(stand: Stand, rounds: int, seconds: int, done: Callable[[], None]) -> Throughput | None:
    """None where there is no wrk. `done` is called after each run."""
    program = packages.which("wrk")
    if program is None:
        return None
    found = Throughput()
    targets = _targets(stand)
    for target in targets.values():
        run(program, target, 1)
    names = list(targets)
    for number in range(rounds):
        # Each round begins with another one, so that nobody always comes after the same neighbour.
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            turned = run(program, targets[name], seconds)
            for _ in range(_TRIES):
                if turned.is_even:
                    break
                found.repeated += 1
                turned = run(program, targets[name], seconds)
            found.rounds.setdefault(name, []).append(turned)
            done()
    found.rounds = {name: found.rounds[name] for name in names}
    return found


def count(rounds: int) -> int:
    """How many runs of wrk there will be."""
    return rounds * 6


def _targets(stand: Stand) -> dict[str, Target]:
    dsn = stand.sample
    workers = str(WORKERS)
    empty = stand.gunicorn(dsn, "bench.empty_app:app", WEB_CONCURRENCY=workers)
    # An hour: nothing is made anew while wrk runs.
    kept = {"WEB_CONCURRENCY": workers, "FLAGSTONE_CACHE_TTL_S": "3600"}
    memory = stand.gunicorn(dsn, **kept)
    behind = stand.gunicorn(dsn, **kept, FLAGSTONE_TRUSTED_PROXIES="1")
    size = max(_warm(memory), _warm(behind))
    inside = workers_of(memory)
    targets = {
        EMPTY_VIEW: Target(f"{empty.url}/", workers_of(empty)),
        MEMORY: Target(memory.url + TILE, inside),
        EMPTY_TILE: Target(memory.url + NO_TILE, inside),
    }
    if stand.redis_url is not None:
        redis = stand.gunicorn(dsn, **kept, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=stand.redis_url)
        _warm(redis)
        targets[REDIS] = Target(redis.url + TILE, workers_of(redis))
    if (proxy := stand.nginx(behind)) is not None:
        targets[NGINX] = Target(proxy.url + TILE, workers_of(proxy))
    if (plain := stand.ceiling(size)) is not None:
        targets[CEILING] = Target(f"{plain.url}/", workers_of(plain))
    return targets


def workers_of(server: Gunicorn | Nginx) -> tuple[psutil.Process, ...]:
    """The children that answer; RuntimeError where they do not come up."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        children = psutil.Process(server.process.pid).children()
        answering = tuple(child for child in children if "cache" not in " ".join(child.cmdline()))
        if len(answering) >= WORKERS:
            return answering
        time.sleep(0.1)
    raise RuntimeError(f"{server.url} has fewer than {WORKERS} workers")


def _warm(app: Gunicorn) -> int:
    """Each worker has the tiles once a few connections have asked: which worker takes one is the system's choice.

    Gives the bytes of the tile as it is sent.
    """
    size = 0
    for path, expected in ((TILE, 200), (NO_TILE, 204)):
        for _ in range(24):
            with Line(app.port) as line:
                status, body = line.get(path)
            if status != expected:
                raise RuntimeError(f"{path} answered {status}, not {expected}")
            size = max(size, len(body))
    return size


def run(program: str, target: Target, seconds: int) -> Run:
    """One run of wrk. RuntimeError where an answer is an error, or none comes."""
    more = [part for header in target.headers for part in ("-H", header)]
    before = _cpu(target.workers)
    answer = subprocess.run(
        [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", "Accept-Encoding: gzip", *more, target.url],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    spent = [after - then for after, then in zip(_cpu(target.workers), before, strict=True)]
    rate = re.search(r"^Requests/sec:\s*([\d.]+)", answer, re.MULTILINE)
    requests = re.search(r"^\s*(\d+) requests in", answer, re.MULTILINE)
    if rate is None or requests is None or "Non-2xx" in answer or "Socket errors" in answer:
        raise RuntimeError(f"wrk and {target.url}: {answer}")
    total = sum(spent)
    return Run(float(rate[1]), total / int(requests[1]) * 1e6, tuple(each / total for each in spent))


def _cpu(workers: Sequence[psutil.Process]) -> list[float]:
    """Seconds of processor time that each has had, its own and the system's for it."""
    times = [worker.cpu_times() for worker in workers]
    return [each.user + each.system for each in times]
