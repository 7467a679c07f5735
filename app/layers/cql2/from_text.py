"""CQL2 text to syntax. The parser takes time in proportion to the text, and builds from the leaves without recursion."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..parameters import shown
from .syntax import FilterError, Syntax, checked_length

if TYPE_CHECKING:
    from lark import Lark

_lock = threading.Lock()


def prepare() -> None:
    """Have the parser ready: who asks for the first filter would wait a tenth of a second for it."""
    read("TRUE")


def read(text: str) -> Syntax:
    """What the text says; FilterError with the character where it is not CQL2."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    checked_length(text)
    with _lock:
        parser = _parser()
    try:
        found: Any = parser.parse(text)
    except UnexpectedCharacters as error:
        place = error.pos_in_stream or 0
        raise FilterError(f"character {place + 1}", _unreadable(text, place)) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise FilterError(f"character {len(text)}", "something is missing after this.") from None
        raise FilterError(f"character {error.token.start_pos + 1}", f"{shown(str(error.token))} cannot stand here.") from None
    return found  # type: ignore[no-any-return]  # lark types what a transformer makes as Any


def _unreadable(text: str, place: int) -> str:
    match text[place]:
        case "'":
            return "the text that begins here is not closed; a quote inside it is doubled."
        case '"':
            return "the name that begins here is not closed, or is empty."
    return f"{shown(text[place])} cannot stand here."


@lru_cache(maxsize=1)
def _parser() -> Lark:
    """Made when it is needed: a command that reads no filter need not wait for it, nor have its 6 MB."""
    from lark import Lark

    from .builder import Builder

    grammar = (Path(__file__).parent / "cql2.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True, transformer=Builder())
