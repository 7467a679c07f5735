"""What the comment at the head of a `.sql` file says of its layer.

    -- title: Large cities
    -- description: Cities of a country,
    --   with their population.
    -- srid: 4326
    -- minzoom: 3
    -- parameter: min_pop integer = 0 -- Smallest population
    -- parameter: country text -- Two letters, ISO 3166

The head is the first lines that begin with `--`. A line whose first word is in small letters and ends with a colon says
something; one that begins with two more spaces goes on with what the line before said; all others are free text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .names import nearest

KEYS = (
    "title", "description", "attribution", "bounds", "minzoom", "maxzoom", "srid", "geometry_column", "id_column", "parameter",
)  # fmt: skip
_LINE = re.compile(r"--[ \t]*(?P<key>[a-z][a-z_-]*):(?:[ \t]+(?P<value>.*))?$")
_MORE = re.compile(r"--[ \t]{3,}(?P<more>\S.*)$")
_TYPE = r"[A-Za-z_\"][\w .\"]*?(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?(?: with(?:out)? time zone)?(?:\[\])*"
_PARAMETER = re.compile(
    rf"(?P<name>[A-Za-z_]\w*)\s+(?P<type>{_TYPE})"
    r"(?:\s*=\s*(?P<default>'(?:[^']|'')*'|[^\s']\S*)(?:\s+(?:--\s*)?(?P<said>.*))?|\s*--\s*(?P<described>.*))?",
    re.ASCII,
)


class BadHeader(Exception):
    """A line of the head cannot be used; the message says which, and what is allowed."""


@dataclass(frozen=True, slots=True)
class SqlParameter:
    """A parameter of a statement: `:name` in its text, `?name=` in an address.

    `type` is any type of the database. `default` is its value as text; None without `has_default` makes it required,
    and with it is NULL.
    """

    name: str
    type: str
    default: str | None = None
    description: str | None = None
    has_default: bool = False

    @classmethod
    def parse(cls, text: str) -> SqlParameter:
        """`name type [= default] [-- description]`; BadHeader where it is not."""
        match = _PARAMETER.fullmatch(text.strip())
        if match is None:
            raise BadHeader(f"parameter {text.strip()[:60]!r} is not `name type [= default] [-- description]`")
        default = match["default"]
        said = (match["said"] or match["described"] or "").strip() or None
        if default is None:
            return cls(match["name"], match["type"].strip(), None, said)
        if default.startswith("'"):
            value: str | None = default[1:-1].replace("''", "'")
        else:
            value = None if default.lower() == "null" else default
        return cls(match["name"], match["type"].strip(), value, said, has_default=True)


@dataclass(frozen=True, slots=True)
class SqlHeader:
    """The values of a head by key, each as text, and the parameters in their order."""

    values: dict[str, str]
    parameters: tuple[SqlParameter, ...]


def header(text: str) -> SqlHeader:
    """The head of a file's text; BadHeader for a key that is unknown or said twice."""
    said: list[tuple[str, str]] = []
    for line in text.lstrip("\ufeff").splitlines():
        if not line.startswith("--"):
            break
        match = _LINE.match(line.rstrip())
        if match is not None:
            said.append((_known(match["key"]), (match["value"] or "").strip()))
        elif said and (more := _MORE.match(line.rstrip())) is not None:
            key, value = said[-1]
            said[-1] = (key, f"{value} {more['more']}".strip())
    values: dict[str, str] = {}
    for key, value in said:
        if key == "parameter":
            continue
        if key in values:
            raise BadHeader(f"{key} is said twice")
        if not value:
            raise BadHeader(f"{key} says nothing")
        values[key] = value
    return SqlHeader(values, tuple(SqlParameter.parse(value) for key, value in said if key == "parameter"))


def _known(key: str) -> str:
    if key not in KEYS:
        close = nearest(key, KEYS)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise BadHeader(f"there is no {key!r} in a layer's head; it knows {', '.join(KEYS)}.{hint}")
    return key
