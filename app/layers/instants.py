"""Instants and intervals as RFC 3339 and OGC API - Features (17-069r4 §7.15.4) write them, in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from ..errors import BadParameter
from .parameters import shown

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
# A plus sign of a query string that was not written %2B arrives as a space.
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+ -])(\d\d):(\d\d))?", re.ASCII
)
_OPEN = ("", "..")


class Instant(NamedTuple):
    """A moment in UTC without a zone, or a whole day that begins then."""

    start: datetime
    is_day: bool

    @property
    def last(self) -> datetime:
        """The last moment of the day, or the moment itself; PostgreSQL tells microseconds apart."""
        return self.start + timedelta(days=1, microseconds=-1) if self.is_day else self.start


def instant(parameter: str, text: str) -> Instant:
    """A date, or a date and time; without an offset it is UTC. BadParameter for anything else."""
    found = _read(text)
    if found is None:
        wanted = "a date or an RFC 3339 time as 2024-02-29T12:30:00Z"
        raise BadParameter(parameter, f"{parameter} must be {wanted}, not {shown(text)}.")
    return found


def _read(text: str) -> Instant | None:
    day, moment = _DAY.fullmatch(text), _INSTANT.fullmatch(text)
    try:
        if day is not None:
            return Instant(datetime(int(day[1]), int(day[2]), int(day[3])), is_day=True)  # noqa: DTZ001  # UTC, unsaid
        return None if moment is None else Instant(_moment(moment), is_day=False)
    except (ValueError, OverflowError):
        # No such day, or one before the year 1 or after 9999.
        return None


def interval(parameter: str, text: str) -> tuple[Instant | None, Instant | None]:
    """Begin and end of `begin/end`, None where it is open (`..` or nothing); a single instant is both."""
    parts = text.split("/")
    if len(parts) == 1:
        at = instant(parameter, text)
        return at, at
    if len(parts) > 2:
        raise BadParameter(parameter, f"{parameter} must be an instant or begin/end, not {shown(text)}.")
    begin, end = (None if part in _OPEN else instant(parameter, part) for part in parts)
    if begin is None and end is None:
        raise BadParameter(parameter, f"{parameter} must have a begin or an end.")
    if begin is not None and end is not None and begin.start > end.last:
        raise BadParameter(parameter, f"{parameter} must not end before it begins: {shown(text)}.")
    return begin, end


def _moment(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    # A leap second (RFC 3339 §5.6) is the next minute's first: PostgreSQL reads it so too.
    leap = second == 60
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(year, month, day, hour, minute, 59 if leap else second, micros)  # noqa: DTZ001  # UTC, unsaid
    if leap:
        moment += timedelta(seconds=1)
    if sign is None:
        return moment
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset >= timedelta(days=1) or int(minutes) > 59:
        raise ValueError(offset)
    return moment + offset if sign == "-" else moment - offset
