"""Who listens, what was told last, and what is to be told again. Lives in the event loop alone."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from .messages import Change, Event

MOST_KEPT = 2000
MOST_KEPT_BYTES = 16_000_000
"""Events that are kept for those who come back."""
MOST_DUE = 4000
MOST_DUE_BYTES = 16_000_000
"""Changes that wait to be told again. Beyond them everybody is told that everything changed."""
MOST_WAITING_BYTES = 4_000_000
"""Events that wait for one listener, who shares them with others."""


class Listener:
    """What somebody is still to be told: events, or that everything changed. Bounded, however slow he is."""

    def __init__(self, layers: frozenset[str] | None, most: int, *, lost: bool = False) -> None:
        self.layers = layers
        """None is all of them."""
        self.lost = lost
        """Whether events were dropped: everything may have changed."""
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._most = most
        self._waiting = asyncio.Event()
        if lost:
            self._waiting.set()

    def __len__(self) -> int:
        return len(self._events)

    def tell(self, event: Event) -> None:
        """Keep an event for him; of too many none, but that they were."""
        if self.lost:
            return  # he is told that everything changed: this did too
        if len(self._events) >= self._most or self._bytes + len(event) > MOST_WAITING_BYTES:
            self.lose()
            return
        self._events.append(event)
        self._bytes += len(event)
        self._waiting.set()

    def lose(self) -> None:
        """Drop what he was to be told: everything may have changed."""
        self._events.clear()
        self._bytes = 0
        self.lost = True
        self._waiting.set()

    async def taken(self, seconds: float | None = None) -> tuple[bool, list[Event]]:
        """Whether everything may have changed, and the events that are there; nothing of both after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._waiting.wait()
        except TimeoutError:
            return False, []
        taken = self.lost, list(self._events)
        self._events.clear()
        self._bytes = 0
        self.lost = False
        self._waiting.clear()
        return taken


class Hub:
    """Hands events on. `again_s` after it was told each change is told once more.

    A map may ask for a tile before every worker knows that it is old, and before a proxy's copy has had its time.
    """

    def __init__(self, *, queue: int, again_s: float) -> None:
        self._queue = queue
        self._again_s = again_s
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._kept: deque[Event] = deque()
        self._kept_bytes = 0
        self._listeners: set[Listener] = set()
        self._everybody: set[Listener] = set()
        self._by_layer: dict[str, set[Listener]] = {}
        self._due: deque[tuple[float, Change | None]] = deque()
        self._due_bytes = 0

    @property
    def last_id(self) -> str:
        """The id of what was told last."""
        return f"{self._epoch}-{self._number}"

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def listen(self, layers: Collection[str] | None, since: str | None = None) -> Listener:
        """Somebody who is to hear of these layers from now on, and of what he missed since an id that he names."""
        missed = [] if since is None else self._since(since)
        chosen = None if layers is None else frozenset(layers)
        listener = Listener(chosen, self._queue, lost=missed is None)
        for event in missed or ():
            if chosen is None or event.layer in chosen:
                listener.tell(event)
        self._listeners.add(listener)
        if chosen is None:
            self._everybody.add(listener)
        for layer in chosen or ():
            self._by_layer.setdefault(layer, set()).add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """He is gone."""
        self._listeners.discard(listener)
        self._everybody.discard(listener)
        for layer in listener.layers or ():
            listeners = self._by_layer.get(layer, set())
            listeners.discard(listener)
            if not listeners:
                self._by_layer.pop(layer, None)

    def tell(self, changes: Iterable[Change]) -> None:
        """Tell everybody whom they concern, and note when to tell it again."""
        due = asyncio.get_running_loop().time() + self._again_s
        for change in changes:
            self._tell(change)
            self._due_bytes += len(change.where)
            if len(self._due) < MOST_DUE and self._due_bytes <= MOST_DUE_BYTES:
                self._due.append((due, change))
            else:
                self._due.clear()
                self._due_bytes = 0
                self._due.append((due, None))

    async def tell_again(self, pause_s: float = 0.1) -> None:
        """Tell again what is due; does not end."""
        clock: Callable[[], float] = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(pause_s)
            while self._due and self._due[0][0] <= clock():
                _, change = self._due.popleft()
                if change is None:
                    self.lose()
                else:
                    self._due_bytes -= len(change.where)
                    self._tell(replace(change, again=True))

    def lose(self) -> None:
        """Tell everybody that everything may have changed."""
        self._number += 1
        self._kept.clear()
        self._kept_bytes = 0
        for listener in self._listeners:
            listener.lose()

    def _tell(self, change: Change) -> None:
        self._number += 1
        event = Event(change, self.last_id)
        self._kept.append(event)
        self._kept_bytes += len(event)
        while len(self._kept) > MOST_KEPT or self._kept_bytes > MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft())
        for listener in (*self._by_layer.get(change.layer, ()), *self._everybody):
            listener.tell(event)

    def _since(self, said: str) -> list[Event] | None:
        """The events after one; None where that is not known any more, or never was an id of ours."""
        epoch, _, number = said.partition("-")
        if epoch != self._epoch or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return None
        missed = self._number - int(number)
        if not 0 <= missed <= len(self._kept):
            return None
        return list(self._kept)[len(self._kept) - missed :]
