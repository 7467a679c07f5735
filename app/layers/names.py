"""Layer ids: how the names of schema, table and column become one word of a URL, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rapidfuzz import fuzz, process

_ESCAPED = re.compile(r"[/\\,;~.\x00-\x1f\x7f]")
_HEX = re.compile(r"~([0-9A-F]{2})")

_LONGEST_COMPARED = 200
_ALIKE = 60
"""Percent of likeness from which a name may be what was meant."""

RESERVED = frozenset({
    "tiles", "table", "function", "tables.json", "functions.json", "tilejson.json", "tileMatrixSets", "viewer",
    "style.json", "healthz", "livez", "readyz", "metrics", "static", "api", "catalog", "collections", "conformance",
    "events", "health", "index.json", "favicon.ico", "vendor", "index.html", "openapi.json", "docs", "api.html", "robots.txt",
})  # fmt: skip
"""Words of the URL map: a table with such a name needs its schema in front."""


_FILES = frozenset({
    "asp", "aspx", "bak", "cfg", "cgi", "conf", "css", "env", "gif", "gz", "htm", "html", "ico", "ini", "jpeg", "jpg", "js", "json",
    "jsp", "log", "map", "md", "pdf", "php", "png", "rar", "sql", "svg", "tar", "txt", "wasm", "webmanifest", "webp", "woff", "woff2",
    "xml", "yaml", "yml", "zip",
})  # fmt: skip
"""Endings of files that browsers and scanners ask every server for."""
_WANTED_BY_BROWSERS = re.compile(
    r"favicon\.ico|robots\.txt|(manifest|site)\.(json|webmanifest)|apple-touch-icon[a-z0-9-]*\.png|service-worker\.js"
)


def is_wanted_by_browsers(word: str) -> bool:
    """Whether browsers ask for this file by themselves, without a page that names it."""
    return _WANTED_BY_BROWSERS.fullmatch(word) is not None


def looks_like_file(word: str, schemas: Iterable[str]) -> bool:
    """Whether a word is rather a file's name than the id of a layer that is not known yet, in one of these schemas."""
    first, dot, _ = word.partition(".")
    if not dot or (first and word.rpartition(".")[2].lower() not in _FILES):
        return False
    return unescape(first) not in schemas


def escape(part: str) -> str:
    """One part of an id: `/ \\ , ; ~ .` and control characters become `~XX` (hexadecimal)."""
    return _ESCAPED.sub(lambda match: f"~{ord(match.group()):02X}", part)


def unescape(part: str) -> str:
    """The name that `escape` was given."""
    return _HEX.sub(lambda match: chr(int(match.group(1), 16)), part)


def layer_id(schema: str, name: str, column: str | None = None) -> str:
    """`schema.name`, or `schema.name.column` for a geometry column after the first."""
    parts = [schema, name] if column is None else [schema, name, column]
    return ".".join(escape(part) for part in parts)


def relation_candidates(asked: str, schema_order: Iterable[str]) -> list[tuple[str, str]]:
    """Schema and table that an id may mean, best first; only used to look one relation up before the catalog is there.

    An escaped part holds no dot, so the parts are unambiguous.
    """
    parts = [unescape(part) for part in asked.split(".")]
    match parts:
        case [name]:
            return [(schema, name) for schema in schema_order]
        case [schema, name] | [schema, name, _]:
            return [(schema, name)]
    return []


def without_types(asked: str) -> str:
    """The id of a function without the parentheses behind its name."""
    return asked[: asked.rindex("(")] if asked.endswith(")") and "(" in asked else asked


def nearest(asked: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Up to `most` known ids that look like the one asked for; the bare table name counts too."""
    if len(asked) > _LONGEST_COMPARED:
        return ()
    by_word: dict[str, str] = {}
    for known_id in known:
        by_word.setdefault(known_id.lower(), known_id)
        by_word.setdefault(known_id.rpartition(".")[2].lower(), known_id)
    close = process.extract(asked.lower(), list(by_word), scorer=fuzz.ratio, score_cutoff=_ALIKE, limit=most * 2)
    return tuple(dict.fromkeys(by_word[word] for word, _score, _place in close))[:most]
