"""The query string of a document's request, on its way into other addresses: byte for byte, since who reads it there
may be somebody else (a proxy that knows a token)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import quote, unquote_plus

_LEGAL = "%-._~!$&'()*+,;=:@/?"
"""What RFC 3986 §3.4 lets stand in a query string beside letters and digits."""


def written(sent: bytes) -> str:
    """A query string as it was sent. Bytes that no address may hold are percent-encoded, as browsers do it: a brace
    of a value must not look like `{z}`."""
    return quote(sent, safe=_LEGAL)


def without(query: str, names: Collection[str]) -> str:
    """The query string with these parameters cut out; `names` in lower case, for their case does not count."""
    return "&".join(part for part in query.split("&") if _name(part) not in names)


def renamed(query: str, prefixes: Mapping[str, str]) -> str:
    """The query string with other words before the dot of its names; what is not among `prefixes` stays as it is."""
    if "." not in query and "%2" not in query:
        return query
    return "&".join(_renamed(part, prefixes) for part in query.split("&"))


def _renamed(part: str, prefixes: Mapping[str, str]) -> str:
    sent, sign, value = part.partition("=")
    name = unquote_plus(sent)
    fitting = [prefix for prefix, other in prefixes.items() if name.startswith(f"{prefix}.") and prefix != other]
    if not fitting:
        return part
    longest = max(fitting, key=len)
    return f"{quote(prefixes[longest] + name[len(longest) :], safe='')}{sign}{value}"


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0]).lower()
