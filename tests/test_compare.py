"""docs/compare.md keeps its word: each "yes" leads to a test that is there."""

import ast
import re
from functools import cache

import pytest

from scripts.lib import CHECKOUT

PAGE = (CHECKOUT / "docs" / "compare.md").read_text()
LINK = re.compile(r"\[yes\]\(\.\./(tests/(?:\w+/)?test_\w+\.py)#(test_\w+)\)")
LINKS = LINK.findall(PAGE)


@cache
def names(path: str) -> frozenset[str]:
    tree = ast.parse((CHECKOUT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("path", "name"), LINKS)
def test_every_yes_leads_to_a_test_that_is_there(path: str, name: str) -> None:
    assert (CHECKOUT / path).is_file(), path
    assert name in names(path), f"{path} has no {name}"


def test_every_feature_is_a_yes_with_its_test_or_has_its_reason() -> None:
    features = [line for line in PAGE.splitlines() if line.startswith("|") and line.count("|") == 7]
    told = [line for line in features if not re.match(r"\|(---|\s*\|)", line)]
    assert len(told) > 50
    for line in told:
        assert LINK.match(line.rstrip("|").rpartition("|")[2].strip()), line
    [outside] = re.findall(r"## What Flagstone does not do\n(.*?)\n## ", PAGE, re.DOTALL)
    reasons = [line.strip("|").split("|") for line in outside.splitlines() if line.startswith("|")][2:]
    assert len(reasons) >= 5
    assert all(len(cells) == 3 and cells[2].strip() for cells in reasons)


def test_no_yes_of_flagstone_stands_without_a_link() -> None:
    assert PAGE.count("[yes]") == len(LINKS)


def test_what_is_outside_is_told() -> None:
    [outside] = re.findall(r"## What Flagstone does not do\n(.*?)\n## ", PAGE, re.DOTALL)
    for word in ("Feature items", "MLT", "TLS", "Several databases in one process"):
        assert word in outside
