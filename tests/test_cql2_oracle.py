"""Text and JSON mean to us what they mean to another implementation, the `cql2` of the Rust world, in both directions.

What generated expressions mean is judged in `test_cql2_fuzz`; here it is whether somebody else, who knows neither our grammar
nor the generator, reads them alike. Where the two differ: numbers are doubles there, `-b` is written `-1 * b`, brackets around a
part of the same operator are left out, and they read neither `.5` nor `\\'` nor names that begin with `_`, nor pg_tileserv's own.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from cql2 import Expr
from hypothesis import HealthCheck, given, settings

from app.layers.cql2 import from_json, from_text
from app.layers.cql2.syntax import Call, Items, Name, Number, Shape, Syntax, Word
from tests.cql2_examples import EXAMPLES
from tests.cql2_expressions import Node, document_of, expressions

_settings = settings(
    max_examples=300, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


def meaning(node: Syntax) -> Any:
    """Syntax without places, as far as the two can be compared: their numbers are doubles."""
    match node:
        case Word(value=value):
            return value
        case Number(value=number):
            return float(number)
        case Name(name=name):
            return ("column", name)
        case Shape(type=kind, coordinates=coordinates, parts=parts):
            return (kind, coordinates, tuple(map(meaning, parts)))
        case Items(args=args):
            return [meaning(each) for each in args]
        case Call(name="and" | "or" as name, args=args):
            # Brackets around a part that says the same mean nothing, and not all writers keep them.
            return (name, *(part for arg in args for part in _operands(name, meaning(arg))))
        case Call(name=name, args=args):
            return (name, *map(meaning, args))


def _operands(word: str, part: Any) -> tuple[Any, ...]:
    return part[1:] if isinstance(part, tuple) and part[0] == word else (part,)


@pytest.mark.parametrize("text", EXAMPLES)
def test_they_read_the_standards_examples_as_we_do(text: str) -> None:
    theirs = json.dumps(Expr(text).to_json())
    assert meaning(from_json.read(theirs)) == meaning(from_text.read(text)), theirs


@_settings
@given(expressions)
def test_they_read_our_text_as_we_do(node: Node) -> None:
    theirs = json.dumps(Expr(node.text).to_json())
    assert meaning(from_json.read(theirs)) == meaning(from_text.read(node.text)), theirs


@_settings
@given(expressions)
def test_we_read_the_text_that_they_write_of_a_document(node: Node) -> None:
    document = document_of(node.json)
    theirs = Expr(json.loads(document)).to_text()
    assert meaning(from_text.read(theirs)) == meaning(from_json.read(document)), theirs
