"""A script of SQL, cut into its statements where PostgreSQL would."""

from __future__ import annotations

from .sql_text import tokens


def statements(text: str) -> list[str]:
    """The statements, without the semicolons between them. BadSql where a quote or a comment does not end."""
    found, start, depth = [], 0, 0
    words: list[str] = []
    for kind, token, at in tokens(text):
        if kind == "word":
            words.append(token.lower())
            # The body of a function in standard SQL has semicolons of its own, up to the END of its BEGIN ATOMIC.
            if words[-2:] == ["begin", "atomic"] or (depth and token.lower() == "case"):
                depth += 1
            elif depth and token.lower() == "end":
                depth -= 1
        elif kind == "semicolon" and not depth:
            if words:
                found.append(text[start:at])
            start, words = at + 1, []
    if words:
        found.append(text[start:])
    return found


def first_words(statement: str, most: int = 4) -> list[str]:
    """The words that a statement begins with, in lower case."""
    words = []
    for kind, token, _at in tokens(statement):
        if kind == "word":
            words.append(token.lower())
        elif kind not in ("comment", "space"):
            break
        if len(words) == most:
            break
    return words


def replacing(statement: str) -> str:
    """CREATE FUNCTION as CREATE OR REPLACE FUNCTION."""
    if first_words(statement, 2) != ["create", "function"]:
        return statement
    [_, at] = [at for kind, _token, at in tokens(statement) if kind == "word"][:2]
    return f"{statement[:at]}OR REPLACE {statement[at:]}"
