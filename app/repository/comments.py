"""What a comment in the database says: plain text, or a JSON object that is merged into what is known (RFC 7396)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..layers.bounds import Bounds
from ..layers.layer_entry import NARROWING, CommentEntry, LayerEntry
from ..layers.tilejson_members import Judged, judged

_MOST_BYTES = 20_000
"""Of the members that go into TileJSON: each map that is opened loads them."""
_NOT_FOR_TILEJSON = frozenset({*LayerEntry.model_fields, "layer", "content_type", "content-type"})
"""Members that say something to Flagstone itself."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_MOST_NAMED = 10
"""Of members that are too long together, so many are told."""


class Comment(NamedTuple):
    """Texts are as the comment has them; whoever shows them to people escapes them. Bounds are lon/lat.

    `entry` is all that it says of the layer, `members` what goes on into its TileJSON; None there takes a member away.
    """

    title: str | None = None
    description: str | None = None
    attribution: str | None = None
    bounds: Bounds | None = None
    entry: CommentEntry | None = None
    members: Mapping[str, Any] = _NOTHING


def parse(text: str | None) -> Comment:
    """A JSON object's members; everything else is a description, broken JSON too, unless it seems to keep something back."""
    if text is None or not text.strip():
        return Comment()
    document = _json_object(text)
    if document is None:
        return Comment(description=text.strip(), entry=_broken(text))
    words = {name: _text(document, name) for name in LayerEntry.WORDS}
    words["title"] = words["title"] or _text(document, "name")
    others = {name: value for name, value in document.items() if name not in LayerEntry.WORDS}
    entry = CommentEntry.of({**others, **_filter(document), **{name: word for name, word in words.items() if word}})
    further = _members(document)
    no_texts = [name for name in LayerEntry.WORDS if not isinstance(document.get(name), str | None)]
    entry = entry.model_copy(update={"unusable": (*entry.unusable, *no_texts, *further.unusable)})
    return Comment(
        **words,
        bounds=None if entry.bounds is None else Bounds(*entry.bounds),
        entry=entry if entry.said or entry.unusable else None,
        members=further.members,
    )


def _broken(text: str) -> CommentEntry | None:
    """What a text that begins as JSON does, and is none, was to keep from the map: nobody can say any more which part."""
    named = tuple(name for name in sorted(NARROWING) if f'"{name}"' in text)
    return CommentEntry(unusable=named) if named and text.lstrip().startswith("{") else None


def members(text: str | None) -> dict[str, Any]:
    """All members of a comment that is a JSON object; none of any other."""
    return (_json_object(text) if text else None) or {}


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _filter(document: dict[str, Any]) -> dict[str, Any]:
    """In a JSON comment a filter may be CQL2 JSON as it is."""
    value = document.get("filter")
    if value is None or isinstance(value, str):
        return {}
    return {"filter": json.dumps(value), "filter_lang": "cql2-json"}


def _text(document: dict[str, Any], member: str) -> str | None:
    value = document.get(member)
    return value.strip() or None if isinstance(value, str) else None


def _members(document: dict[str, Any]) -> Judged:
    """What Flagstone itself has no use for, as far as TileJSON can have it. None of it where it is too long."""
    found = judged({name: value for name, value in document.items() if name not in _NOT_FOR_TILEJSON})
    if len(json.dumps(found.members)) <= _MOST_BYTES:
        return found
    return Judged({}, (*found.unusable, *sorted(found.members)[:_MOST_NAMED]))
