"""What was in the database when: every state of every feature, and which of them an answer may show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]
"""Longitude and latitude."""


@dataclass
class State:
    """One committed state of a feature. Times are seconds of one monotonic clock."""

    counter: int
    at: Point
    begun: float
    """When its COMMIT was sent: nobody saw it before."""
    done: float = float("inf")
    """When COMMIT had returned: everybody sees it from then on."""


@dataclass(frozen=True)
class Wrong:
    """A feature that an answer shows as it must not, or does not show though it must."""

    feature: int
    shown: int | None
    """The counter in the tile; None where the feature is not there."""
    allowed: tuple[int, ...]
    late_s: float
    """How long before the oldest allowed moment the state that is shown had ended; 0 for one that never was."""


@dataclass(frozen=True)
class Verdict:
    """Of one answer: what is wrong, and how old the oldest state in it was when it was asked for, in seconds."""

    wrong: tuple[Wrong, ...]
    age_s: float


@dataclass
class Ledger:
    """Written by those who change features, each its own; read by all."""

    states: dict[int, list[State]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, feature: int, counter: int, at: Point, now: float) -> State:
        """To be called right before COMMIT is sent."""
        state = State(counter, at, now)
        with self._lock:
            if counter <= max((each.counter for each in self.states.get(feature, ())), default=-1):
                raise ValueError(f"feature {feature} has had the counter {counter} already")
            self.states.setdefault(feature, []).append(state)
        return state

    def last(self, feature: int) -> int:
        """The highest counter of a feature."""
        with self._lock:
            return self.states[feature][-1].counter

    def judge(
        self,
        shown: Mapping[int, int],
        must_show: Callable[[int, Point], bool],
        begun: float,
        ended: float,
        age_s: float,
    ) -> Verdict:
        """Hold the counters that a tile shows against what it may show.

        The answer was asked for at `begun` and whole at `ended`; it may be as the database was at any time from `age_s`
        before it was asked for. `must_show` says whether the tile has a feature for certain that is at a point.
        """
        oldest = begun - age_s
        with self._lock:
            known = {feature: tuple(states) for feature, states in self.states.items()}
        wrong: list[Wrong] = []
        oldness = 0.0
        for feature, states in known.items():
            if feature in shown:
                at = next((at for at, state in enumerate(states) if state.counter == shown[feature]), None)
                if at is None or states[at].begun > ended:
                    wrong.append(Wrong(feature, shown[feature], _allowed(states, oldest, ended), 0.0))
                    continue
                until = states[at + 1].done if at + 1 < len(states) else float("inf")
                oldness = max(oldness, begun - until)
                if until < oldest:
                    wrong.append(
                        Wrong(feature, shown[feature], _allowed(states, oldest, ended), oldest - until)
                    )
            else:
                may = _between(states, oldest, ended)
                if may and all(must_show(feature, state.at) for state in may):
                    wrong.append(Wrong(feature, None, tuple(state.counter for state in may), 0.0))
        wrong += [
            Wrong(feature, counter, (), 0.0) for feature, counter in shown.items() if feature not in known
        ]
        return Verdict(tuple(wrong), oldness)


def _between(states: Sequence[State], oldest: float, ended: float) -> list[State]:
    """The states that were to be seen at some time between the two."""
    ends = [*(state.done for state in states[1:]), float("inf")]
    return [state for state, end in zip(states, ends, strict=True) if state.begun <= ended and end >= oldest]


def _allowed(states: Sequence[State], oldest: float, ended: float) -> tuple[int, ...]:
    return tuple(state.counter for state in _between(states, oldest, ended))
