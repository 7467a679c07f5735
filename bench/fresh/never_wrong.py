"""Was any answer older than is allowed? Writers, readers, and what fails meanwhile; every answer is held against the ledger."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import redis
from psycopg.conninfo import conninfo_to_dict

from scripts.lib import packages
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.gunicorn import Gunicorn
from tests.servers.redis import RedisServer

from ..report import Goal
from ..stand import Stand
from ..turns import percentile
from . import moving
from .ledger import Ledger, Wrong
from .report import Part
from .servers import MAX_AGE_S, follow, kill_a_worker, queries, service, until_kept

READERS = 4
"""For each service."""
_PATIENCE_S = 20.0
_ANSWERED = (200, 204)
_MOST_TOLD = 20


@dataclass(frozen=True)
class Violation:
    """All that is needed to understand one answer that must not be."""

    path: str
    gzip: bool
    url: str
    begun: float
    took_s: float
    status: int
    headers: str
    wrong: tuple[Wrong, ...]
    before: tuple[str, ...]
    """What had just been made to fail."""

    def __str__(self) -> str:
        features = "; ".join(
            f"feature {each.feature} shows {each.shown}, allowed {list(each.allowed)}"
            + (f", {each.late_s:.3f} s beyond what is allowed" if each.late_s else "")
            for each in self.wrong
        )
        return (
            f"WRONG at {self.begun:.3f} s, {self.took_s * 1000:.0f} ms, {self.status}: {self.url}{self.path} (gzip: {self.gzip})\n"
            f"  {features}\n  before: {', '.join(self.before) or 'nothing failed'}\n  {' | '.join(self.headers.split(chr(10))).strip(' |')}"
        )


@dataclass
class Found:
    """What was seen in all."""

    seconds: float = 0.0
    commits: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    ages_s: list[float] = field(default_factory=list)
    """Of answers that showed a state which had ended when they were asked for: how long before that."""
    violations: list[Violation] = field(default_factory=list)
    wrongs: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Of readers and writers themselves."""

    @property
    def answers(self) -> int:
        return sum(self.statuses[str(status)] for status in _ANSWERED)


class Scene:
    """Two services of two workers on two hosts, each with a line to the database that can be cut, and one Redis."""

    def __init__(self, stand: Stand, started: ExitStack, seed: int, **settings: str) -> None:
        program = packages.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed")
        self.seed = seed
        self.dsn = stand.fresh()
        self.ledger = Ledger()
        moving.make(self.dsn, self.ledger, seed)
        follow(self.dsn, moving.LAYER)
        self.redis = RedisServer(program, stand.directory())
        started.callback(self.redis.stop)
        address = conninfo_to_dict(self.dsn)
        self.lines: list[CuttingProxy] = []
        self.services: list[Gunicorn] = []
        for _ in range(2):
            line = CuttingProxy(str(address["host"]), int(address.get("port") or 5432))
            started.callback(line.stop)
            self.lines.append(line)
            self.services.append(
                service(
                    stand, line.dsn(self.dsn), self.redis.url, **({"FLAGSTONE_LOG_LEVEL": "ERROR"} | settings)
                )
            )
        self.begun = time.monotonic()

    def troubles(
        self, source: random.Random, stop: threading.Event
    ) -> Mapping[str, Sequence[Callable[[], object]]]:
        """What can fail, by name: the steps of each, after the last of which all is well again. No step waits after `stop`."""
        line, app = source.choice(self.lines), source.choice(self.services)

        def wait(least: float, most: float) -> Callable[[], object]:
            return lambda: stop.wait(source.uniform(least, most))

        def command(*words: str) -> Callable[[], object]:
            return lambda: self._redis(*words)

        def kill() -> object:
            return kill_a_worker(app, source)

        return {
            "Redis restarted, empty": (self.redis.stop, wait(0.2, 1.0), self.redis.start),
            "Redis flushed": (command("FLUSHALL"),),
            "Redis silent for a second": (command("CLIENT", "PAUSE", "1000"), wait(1.0, 1.0)),
            "Redis's connections cut": (command("CLIENT", "KILL", "TYPE", "normal"),),
            "lines to the database cut": (line.cut,),
            "database not to be reached": (line.stop, wait(0.2, 2.5), line.start),
            "database silent": (line.silence, wait(0.5, 2.5), line.speak),
            "worker killed": (kill,),
            "two workers of a host killed": (kill, kill),
        }

    def _redis(self, *command: str) -> None:
        with redis.Redis.from_url(self.redis.url, socket_timeout=5) as client:
            client.execute_command(*command)


def run(
    scene: Scene,
    seconds: float,
    tick: Callable[[], object] = lambda: None,
    trouble: Sequence[str] | None = None,
) -> Found:
    """Write, read and break for so long. `trouble` names what may fail; by default everything."""
    found = Found()
    lock, stop = threading.Lock(), threading.Event()
    recent: deque[tuple[float, str]] = deque(maxlen=6)

    def counted() -> None:
        with lock:
            found.commits += 1

    def reader(app: Gunicorn, number: int) -> None:
        for asked in moving.tiles(scene.seed * 1000 + number):
            if stop.is_set():
                return
            begun = time.monotonic()
            try:
                status, body, headers = moving.read(app.url, asked, _PATIENCE_S)
            except (OSError, HTTPException) as error:
                with lock:
                    found.statuses[type(error).__name__] += 1
                stop.wait(0.05)
                continue
            ended = time.monotonic()
            if status not in _ANSWERED:
                with lock:
                    found.statuses[str(status)] += 1
                stop.wait(0.02)
                continue
            verdict = scene.ledger.judge(moving.shown(body), asked.has, begun, ended, MAX_AGE_S)
            with lock:
                found.statuses[str(status)] += 1
                if verdict.age_s > 0:
                    found.ages_s.append(verdict.age_s)
                if verdict.wrong:
                    found.wrongs += 1
                    if len(found.violations) < _MOST_TOLD:
                        before = tuple(
                            f"{what} {begun - at:.1f} s before" for at, what in recent if at < ended
                        )
                        found.violations.append(Violation(
                            asked.path, asked.is_gzip, app.url, begun - scene.begun, ended - begun, status, headers, verdict.wrong, before,
                        ))  # fmt: skip

    def breaker() -> None:
        source = random.Random(f"trouble {scene.seed}")
        while not stop.is_set():
            # Long enough now and then that the cache serves, short enough that one trouble meets the next.
            stop.wait(source.uniform(0.3, 4.0))
            if stop.is_set():
                return
            troubles = scene.troubles(source, stop)
            name = source.choice([each for each in troubles if trouble is None or each in trouble])
            with lock:
                found.troubles[name] += 1
                recent.append((time.monotonic(), name))
            for step in troubles[name]:
                step()

    def guarded(work: Callable[..., None], *arguments: Any) -> threading.Thread:
        def guard() -> None:
            try:
                work(*arguments)
            except Exception as error:  # told at the end: without this thread the run shows nothing
                with lock:
                    found.failures.append(f"{work.__name__}: {type(error).__name__}: {error}")

        return threading.Thread(target=guard, daemon=True)

    threads = [
        guarded(moving.write, scene.dsn, scene.ledger, number, scene.seed, stop, counted)
        for number in range(moving.WRITERS)
    ]
    threads += [
        guarded(reader, app, number * READERS + each)
        for number, app in enumerate(scene.services)
        for each in range(READERS)
    ]
    threads += [guarded(breaker)] if trouble is None or trouble else []
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    while (left := begun + seconds - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        tick()
    stop.set()
    for thread in threads:
        thread.join(_PATIENCE_S + 10)
    found.seconds = time.monotonic() - begun
    return found


@contextmanager
def scene(stand: Stand, seed: int, **settings: str) -> Iterator[Scene]:
    """The scene once tiles come out of its cache; ends what it started."""
    with ExitStack() as started:
        made = Scene(stand, started, seed, **settings)
        path = next(moving.tiles(seed)).path
        for app in made.services:
            until_kept(app, path)
        yield made


def measure(stand: Stand, seconds: float, seed: int, tick: Callable[[], object]) -> Part:
    """For so long, with everything that can fail; and a while without, for how much the cache answers."""
    with scene(stand, seed) as ready:
        before = sum(map(queries, ready.services))
        calm = run(ready, min(20.0, seconds / 4), tick, trouble=())
        asked = sum(map(queries, ready.services)) - before
        found = run(ready, seconds, tick)
    part = Part(
        f"Never wrong: {found.seconds:.0f} s, {2 * READERS} readers, 4 workers on 2 hosts, {moving.WRITERS} writers, seed {seed}"
    )
    part.lines = [
        ("commits", f"{found.commits:,}"),
        ("answers compared", f"{found.answers:,}"),
        ("other answers", ", ".join(f"{status}: {count:,}" for status, count in found.statuses.most_common() if status not in map(str, _ANSWERED)) or "none"),
        *((name, f"{count}") for name, count in sorted(found.troubles.items())),
        ("answers that showed what had ended before they were asked for", f"{len(found.ages_s):,}"),
        ("how long before, median and most", _ages(found.ages_s)),
        (f"before that nothing failed for {calm.seconds:.0f} s: answers, queries", f"{calm.answers:,}, {asked:,}"),
        ("so long ago, then, median and most", _ages(calm.ages_s)),
    ]  # fmt: skip
    both = (calm, found)
    wrongs = sum(each.wrongs for each in both)
    failures = [f"of the measurement itself: {failure}" for each in both for failure in each.failures]
    part.found = [str(violation) for each in both for violation in each.violations] + failures
    what = f"no answer older than {MAX_AGE_S:g} s when it was asked for"
    answers = sum(each.answers for each in both)
    part.goals = [
        Goal(what, f"{wrongs} of {answers:,} answers", wrongs == 0 and not failures and answers > 0)
    ]
    part.figures = {
        "seconds": found.seconds, "seed": seed, "commits": found.commits, "statuses": dict(found.statuses), "troubles": dict(found.troubles),
        "wrong": wrongs, "age_s": {"count": len(found.ages_s), "most": max(found.ages_s, default=0.0)},
        "calm": {"seconds": calm.seconds, "answers": calm.answers, "queries": asked, "commits": calm.commits, "most_age_s": max(calm.ages_s, default=0.0)},
    }  # fmt: skip
    return part


def _ages(ages: Sequence[float]) -> str:
    if not ages:
        return "none"
    return f"{statistics.median(ages) * 1000:.0f} ms, p95 {percentile(ages, 0.95) * 1000:.0f} ms, {max(ages) * 1000:.0f} ms"
