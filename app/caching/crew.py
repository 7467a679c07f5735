"""Threads that help a request to make the parts of a composite side by side."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from ..errors import TileTimeout, Unavailable

T = TypeVar("T")


class Crew:
    """At most `most` helpers in this process, for all requests together. None of them is ever waited for in a queue.

    A request makes its parts itself, one after the other; helpers that are free take parts from the other end. Without
    any it does all by itself, so nothing can lock up, and with few connections nothing is gained or lost.
    `has_room` says whether a helper may begin a part: others need to make tiles too.
    """

    def __init__(self, most: int, has_room: Callable[[], bool]) -> None:
        self._most = most
        self._has_room = has_room
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def all(self, jobs: Sequence[Callable[[], T]], until: float, *, stop_at_failure: bool) -> list[T | Exception | None]:
        """What each job returned or raised; with `stop_at_failure` None for those that were not begun after the first.

        A job that is not done at `until` (of time.monotonic) counts as TileTimeout.
        """
        board = _Board(jobs, stop_at_failure=stop_at_failure)
        try:
            for _ in range(len(jobs) - 1):
                if not self._help(board):
                    break
            board.work(until)
        finally:
            board.stop()
        return board.outcomes

    def close(self) -> None:
        """End the threads once they have done what they do; the next use starts new ones."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    def _help(self, board: _Board[T]) -> bool:
        """Whether a helper was free, and there was room for what it will do."""
        if not self._has_room() or not self._free.acquire(blocking=False):
            return False
        try:
            with self._lock:
                if self._threads is None:
                    # Not before the first composite: threads do not survive a fork.
                    self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="flagstone-crew")
                self._threads.submit(board.assist, self._has_room).add_done_callback(lambda _: self._free.release())
        except RuntimeError:  # the interpreter is ending and starts no more threads
            self._free.release()
            return False
        return True


class _Board(Generic[T]):
    """The jobs of one request: which are left, and what came of the others."""

    def __init__(self, jobs: Sequence[Callable[[], T]], *, stop_at_failure: bool) -> None:
        self._jobs = jobs
        self._stop_at_failure = stop_at_failure
        self._left = deque(range(len(jobs)))
        self._unfinished = len(jobs)
        self._stopped = False
        self._changed = threading.Condition()
        self.outcomes: list[T | Exception | None] = [None] * len(jobs)

    def work(self, until: float) -> None:
        """Do jobs until all are done, those of the helpers too."""
        while (place := self._next(until)) is not None:
            self._do(place)

    def assist(self, has_room: Callable[[], bool]) -> None:
        """Do jobs while some are left that nobody began and there is room."""
        while has_room():
            with self._changed:
                if self._stopped or not self._left:
                    return
                place = self._left.pop()
            if not self._do(place, helps=True):
                return

    def stop(self) -> None:
        """Nobody begins another job; what comes of those under way is of no interest any more."""
        with self._changed:
            self._stopped = True

    def _next(self, until: float) -> int | None:
        with self._changed:
            while self._unfinished and not self._stopped:
                if self._left:
                    return self._left.popleft()
                left = until - time.monotonic()
                if left <= 0:
                    self._give_up()
                    break
                self._changed.wait(left)
        return None

    def _give_up(self) -> None:
        self._stopped = True
        late = TileTimeout("A layer of this composite took too long.")
        self.outcomes = [late if outcome is None else outcome for outcome in self.outcomes]

    def _do(self, place: int, *, helps: bool = False) -> bool:
        """Whether the job has an outcome; a helper that finds no place to make it hands it back."""
        try:
            outcome: T | Exception = self._jobs[place]()
        except Exception as error:
            if helps and type(error) is Unavailable:
                with self._changed:
                    self._left.append(place)
                    self._changed.notify_all()
                return False
            outcome = error
        with self._changed:
            if not self._stopped:
                self.outcomes[place] = outcome
                self._unfinished -= 1
                self._stopped = self._stop_at_failure and isinstance(outcome, Exception)
            self._changed.notify_all()
        return True
