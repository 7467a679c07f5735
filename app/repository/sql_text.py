"""Placeholders in a statement's text: `:name`, told apart from all else that has a colon or quotes in it.

The lexical rules are PostgreSQL's (documentation, section 4.1 Lexical Structure), with standard_conforming_strings on.
Values never become text: each placeholder turns into a parameter with a cast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"""
      (?P<comment>   --[^\n]* )
    | (?P<block>     /\* )
    | (?P<escaped>   [eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<string>    '(?:[^']|'')*' )
    | (?P<quoted>    "(?:[^"]|"")*" )
    | (?P<unclosed>  [eE]?' | " )
    | (?P<dollar>    \$(?P<tag>(?:[^\W\d]\w*)?)\$ )
    | (?P<position>  \$\d+ )
    | (?P<word>      [^\W\d][\w$]* )
    | (?P<number>    \.?\d(?:[\w.])* )
    | (?P<cast>      :: | := )
    | (?P<name>      :(?P<placeholder>[^\W\d]\w*) )
    | (?P<open>      [(\[] )
    | (?P<close>     [)\]] )
    | (?P<semicolon> ; )
    | (?P<space>     \s+ )
    | (?P<other>     . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_PAIRS = {"(": ")", "[": "]"}


class BadSql(Exception):
    """The text cannot be one statement; the message says where and why, in words of ours."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`:name` in a statement; `at` is its place in the text."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class SqlText:
    """One statement in pieces: text as it stands in the file, and placeholders. `first_word` is in lower case."""

    pieces: tuple[str | Placeholder, ...]
    first_word: str

    @property
    def names(self) -> frozenset[str]:
        """The names of its placeholders."""
        return frozenset(piece.name for piece in self.pieces if isinstance(piece, Placeholder))

    def written(self, parameter: Callable[[str], str], text: Callable[[str], str] = str) -> str:
        """The statement, each placeholder as `parameter` has it and all else as `text` has it."""
        return "".join(parameter(piece.name) if isinstance(piece, Placeholder) else text(piece) for piece in self.pieces)

    def numbered(self, casts: Mapping[str, str]) -> str:
        """The statement with `$1`, `$2` and so on in the order of `casts`, which gives each name its type."""
        numbers = {name: number for number, name in enumerate(casts, start=1)}
        return self.written(lambda name: f"(${numbers[name]}::{casts[name]})")


@lru_cache(maxsize=512)
def parse(text: str) -> SqlText:
    """The one statement of a text, without comments and without the semicolon at its end; BadSql says what is wrong."""
    return _Scanner(text).statement()


def line_of(text: str, at: int) -> int:
    """The number of the line, from 1, in which a place of the text is."""
    return text.count("\n", 0, at) + 1


def tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """The tokens of a text: what kind each is, as it stands, and where. Comments and strings are one each.

    BadSql where a quote or a comment does not end.
    """
    at = text.find("\0")
    if at >= 0:
        raise BadSql(f"line {line_of(text, at)} holds a NUL character")
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:  # the last alternative takes any character
            raise BadSql(f"line {line_of(text, at)} cannot be read")
        kind, end = match.lastgroup or "", match.end()  # lastgroup is the outermost group that closed last
        if kind == "block":
            kind, end = "comment", _after_block(text, at)
        elif kind == "dollar":
            kind, end = "string", _after_dollar(text, match)
        elif kind == "unclosed":
            raise BadSql(f"the quote of line {line_of(text, at)} is not closed")
        yield kind, text[at:end], at
        at = end


def _after_block(text: str, at: int) -> int:
    """Behind a comment; they nest."""
    depth, place = 1, at + 2
    while depth:
        edge = _BLOCK_EDGE.search(text, place)
        if edge is None:
            raise BadSql(f"the comment of line {line_of(text, at)} is not closed")
        depth += 1 if edge.group() == "/*" else -1
        place = edge.end()
    return place


def _after_dollar(text: str, match: re.Match[str]) -> int:
    """Behind a string in dollar quotes: nothing has a meaning in it but its own end."""
    end = text.find(match.group(), match.end())
    if end < 0:
        raise BadSql(f"the quote {match.group()} of line {line_of(text, match.start())} is not closed")
    return end + len(match.group())


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces: list[str | Placeholder] = []
        self._brackets: list[tuple[str, int, bool]] = []
        """Open ones: which, where, and whether it is an array constructor's."""
        self._last = ""
        """The last token that is no comment, words in lower case."""
        self._first_word = ""
        self._ended = False

    def statement(self) -> SqlText:
        for kind, token, at in tokens(self._text):
            self._take(kind, token, at)
        if self._brackets:
            bracket, opened_at, _ = self._brackets[-1]
            raise BadSql(f"the {bracket} of line {line_of(self._text, opened_at)} is not closed")
        if not any(isinstance(piece, Placeholder) or piece.strip() for piece in self._pieces):
            raise BadSql("it holds no statement")
        return SqlText(tuple(self._joined()), self._first_word)

    def _take(self, kind: str, token: str, at: int) -> None:
        if kind == "comment":
            # Lines keep their numbers: the server says in which one it found a fault.
            self._pieces.append(" " + "\n" * token.count("\n"))
            return
        if kind == "space":
            self._pieces.append(token)
            return
        if self._ended:
            raise BadSql(f"it holds more than one statement: another one begins in line {line_of(self._text, at)}")
        if kind == "position":
            raise BadSql(f"{token} in line {line_of(self._text, at)}: parameters have names here, as :name")
        if kind == "semicolon":
            if self._brackets:
                raise BadSql(f"the statement ends in line {line_of(self._text, at)} within brackets")
            self._ended = True
            return
        self._follow_brackets(kind, token, at)
        if kind == "word" and not self._first_word:
            self._first_word = token.lower()
        self._last = token.lower() if kind == "word" else token
        # Directly within a subscript a colon is the slice's own: `list[1:n]`; a placeholder has parentheses there.
        in_subscript = bool(self._brackets) and self._brackets[-1][0] == "[" and not self._brackets[-1][2]
        self._pieces.append(Placeholder(token[1:], at) if kind == "name" and not in_subscript else token)

    def _follow_brackets(self, kind: str, token: str, at: int) -> None:
        if kind == "open":
            inside_array = bool(self._brackets) and self._brackets[-1][2]
            follows = self._last == "array" or (inside_array and self._last in ("[", ","))
            self._brackets.append((token, at, follows and _PAIRS[token] == "]"))
        elif kind == "close":
            if not self._brackets or _PAIRS[self._brackets[-1][0]] != token:
                raise BadSql(f"the {token} of line {line_of(self._text, at)} closes nothing")
            self._brackets.pop()

    def _joined(self) -> list[str | Placeholder]:
        """Texts that follow one another as one."""
        joined: list[str | Placeholder] = []
        texts: list[str] = []
        for piece in self._pieces:
            if isinstance(piece, str):
                texts.append(piece)
            else:
                joined += ["".join(texts), piece]
                texts = []
        return [*joined, "".join(texts)]
