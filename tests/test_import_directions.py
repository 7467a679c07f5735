"""The house's rules, held over the syntax tree: who may import whom, and what appears in one place only."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent / "app"

LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"settings", "errors", "metrics", "log_format", "gunicorn_worker"}),
    frozenset({"layers"}),
    frozenset({"repository", "caching", "documents"}),
    frozenset({"source", "stale"}),
    frozenset({"reader", "following"}),
    frozenset({"backend", "export"}),
    frozenset({"blueprints", "cli", "events"}),
    # what mounts the blueprints on a backend, in Flagstone's own application and in others
    frozenset({"extension"}),
    frozenset({"__init__", "gunicorn_conf"}),
)
"""Imports point from later to earlier levels."""
WITHIN_A_LEVEL = {("settings", "errors"), ("log_format", "settings"), ("export", "backend"), ("cli", "blueprints"), ("cli", "events")}
"""The commands reach the object graph as the views do, through the one function with current_app."""
NEVER = {("blueprints", "repository")}
OUTSIDERS = {
    "psycopg": {"repository"},
    "psycopg_pool": {"repository"},
    "flask": {"blueprints", "cli", "extension", "__init__"},
    "flask_caching": {"extension", "caching/memory.py", "caching/redis_backends.py"},
    "cachelib": {"caching"},
    # tiles are made by threads; one process that makes none has an event loop
    "asyncio": {"events"},
    "aiohttp": {"events"},
}
"""Packages, and the rooms or files that may import them."""
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
ENVIRONMENT_FILES = {
    "settings/loading.py",
    # prometheus_client reads PROMETHEUS_MULTIPROC_DIR when it is imported, and only gunicorn knows that there are workers
    "gunicorn_conf.py",
}
MOST_LINES = 400


@dataclass
class File:
    """A Python file of the application and its syntax tree."""

    path: str
    parts: tuple[str, ...]
    """The module's name below the package, `("caching", "key")`; of a package's own file `("caching", "__init__")`."""
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.parts[0]


def files(root: Path) -> list[File]:
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        text = path.read_text()
        found.append(File(relative.as_posix(), relative.with_suffix("").parts, text, ast.parse(text)))
    return found


def violations(root: Path) -> list[str]:
    """Every breach of a rule below this package, as `file:line: sentence`."""
    tree = files(root)
    rooms = {file.room for file in tree}
    found = [f"{file.path}:1: a room that the plan does not have" for file in tree if _level(file.room) is None]
    for file in tree:
        found += [f"{file.path}:{line}: {what}" for line, what in _in_file(file, rooms)]
    current = [(file, line, where) for file in tree for line, where in _uses_of_current_app(file)]
    if len({(file.path, where) for file, _, where in current}) > 1:
        found += [f"{file.path}:{line}: current_app in {where}, and not there alone" for file, line, where in current]
    return found


def _in_file(file: File, rooms: set[str]) -> Iterator[tuple[int, str]]:
    if (lines := file.text.count("\n")) > MOST_LINES:
        yield lines, f"{lines} lines"
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _outsider(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from _outsider(file, node.lineno, node.module or "")
            if node.module == "os" and any(alias.name in ENVIRONMENT for alias in node.names):
                yield from _environment(file, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for room in _rooms_of(file, node, rooms):
                yield from _direction(file, node.lineno, room)
        elif isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT and _is_os(file, node.value):
            yield from _environment(file, node.lineno)


def _outsider(file: File, line: int, module: str) -> Iterator[tuple[int, str]]:
    package = module.partition(".")[0]
    if package in ("app", "flagstone"):
        yield line, f"{module} is imported by its full name"
    allowed = OUTSIDERS.get(package)
    if allowed is not None and file.room not in allowed and file.path not in allowed:
        yield line, f"{package} is imported outside {', '.join(sorted(allowed))}"


def _rooms_of(file: File, node: ast.ImportFrom, rooms: set[str]) -> Iterator[str]:
    """The rooms that a relative import leads to; `__init__` is the package itself."""
    above = file.parts[: -node.level]
    target = (*above, *(node.module.split(".") if node.module else ()))
    if len(file.parts) < node.level:
        yield "outside the package"
    elif target:
        yield target[0]
    else:
        # `from .. import errors, create_app`: a room, or a name of the package's own file
        yield from (alias.name if alias.name in rooms else "__init__" for alias in node.names)


def _direction(file: File, line: int, room: str) -> Iterator[tuple[int, str]]:
    mine, theirs = _level(file.room), _level(room)
    if room == file.room or mine is None:
        return
    pair = (file.room, room)
    if theirs is None:
        yield line, f"{room} is no room"
    elif pair in NEVER or theirs > mine or (theirs == mine and pair not in WITHIN_A_LEVEL):
        yield line, f"{file.room} imports {room}"


def _environment(file: File, line: int) -> Iterator[tuple[int, str]]:
    if file.path not in ENVIRONMENT_FILES:
        yield line, "the environment is read outside settings"


def _is_os(file: File, value: ast.expr) -> bool:
    names = {
        alias.asname or alias.name
        for node in ast.walk(file.tree) if isinstance(node, ast.Import)
        for alias in node.names if alias.name == "os"
    }  # fmt: skip
    return isinstance(value, ast.Name) and value.id in names


def _uses_of_current_app(file: File) -> Iterator[tuple[int, str]]:
    """Lines that use it, and the function around each."""

    def walk(node: ast.AST, where: str) -> Iterator[tuple[int, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            where = node.name
        if isinstance(node, ast.Name) and node.id in names:
            yield node.lineno, where
        if isinstance(node, ast.Attribute) and node.attr == "current_app":
            yield node.lineno, where
        for child in ast.iter_child_nodes(node):
            yield from walk(child, where)

    names = {"current_app"} | {
        alias.asname
        for node in ast.walk(file.tree) if isinstance(node, ast.ImportFrom)
        for alias in node.names if alias.name == "current_app" and alias.asname
    }  # fmt: skip
    yield from walk(file.tree, "the module")


def _level(room: str) -> int | None:
    return next((number for number, rooms in enumerate(LEVELS) if room in rooms), None)


def test_application_keeps_the_rules() -> None:
    assert violations(APP) == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house without fault."""
    sources = {
        "__init__.py": "from flask import Flask\nfrom . import cli\nfrom .extension import F\n",
        "extension.py": "from flask import Flask\nfrom flask_caching import Cache\nfrom .backend import B\nfrom .blueprints.access import backend\n",
        "settings/loading.py": "import os\nfrom ..errors import E\nx = os.environ\n",
        "settings/tiles.py": "",
        "gunicorn_conf.py": "import os\nos.environ.setdefault('PROMETHEUS_MULTIPROC_DIR', '/x')\n",
        "errors.py": "class E(Exception): ...\n",
        "metrics.py": "import prometheus_client\n",
        "reader.py": "from .caching.key import K\nfrom .repository import pool\nfrom . import metrics\n",
        "backend.py": "from .reader import R\n",
        "layers/tile.py": "from ..errors import E\nfrom . import grid\nfrom .grid import G\n",
        "layers/grid.py": "",
        "caching/key.py": "from ..layers.tile import T\nfrom .. import metrics\n",
        "caching/memory.py": "from flask_caching.backends.base import BaseCache\n",
        "repository/pool.py": "import psycopg\nfrom psycopg_pool import ConnectionPool\nfrom ..layers import tile\n",
        "blueprints/access.py": "from flask import current_app\ndef backend():\n    return current_app.extensions['flagstone']\n",
        "cli/sample.py": "import click\nfrom ..repository.pool import P\nfrom ..blueprints.access import backend\n",
    }
    for name, source in sources.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return tmp_path


def test_house_without_fault_has_no_violations(house: Path) -> None:
    assert violations(house) == []


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("layers/tile.py", "from ..repository import pool", "layers imports repository"),
        ("layers/tile.py", "from .. import caching", "layers imports caching"),
        ("layers/tile.py", "def f():\n    from ..reader import R", "layers imports reader"),
        ("errors.py", "from .layers.tile import T", "errors imports layers"),
        ("errors.py", "from . import settings", "errors imports settings"),
        ("metrics.py", "from .settings import S", "metrics imports settings"),
        ("caching/key.py", "from ..repository.pool import P", "caching imports repository"),
        ("repository/pool.py", "from ..caching import key", "repository imports caching"),
        ("reader.py", "from .backend import B", "reader imports backend"),
        ("blueprints/access.py", "from ..repository.pool import P", "blueprints imports repository"),
        ("blueprints/access.py", "from ..cli import sample", "blueprints imports cli"),
        ("backend.py", "from . import create_app", "backend imports __init__"),
        ("cli/sample.py", "from .. import create_app", "cli imports __init__"),
        ("cli/sample.py", "from ... import wsgi", "outside the package is no room"),
        ("cli/sample.py", "import app.reader", "app.reader is imported by its full name"),
        ("cli/sample.py", "from flagstone.reader import R", "flagstone.reader is imported by its full name"),
        ("cli/sample.py", "import psycopg.sql", "psycopg is imported outside repository"),
        ("reader.py", "from psycopg_pool import ConnectionPool", "psycopg_pool is imported outside repository"),
        ("backend.py", "import flask", "flask is imported outside"),
        ("caching/key.py", "from flask_caching import Cache", "flask_caching is imported outside"),
        ("blueprints/access.py", "import flask_caching", "flask_caching is imported outside"),
        ("blueprints/access.py", "from ..extension import F", "blueprints imports extension"),
        ("reader.py", "from cachelib import BaseCache", "cachelib is imported outside caching"),
        ("reader.py", "import os\nx = os.environ['A']", "the environment is read outside settings"),
        ("reader.py", "import os as o\nx = o.getenv('A')", "the environment is read outside settings"),
        ("settings/tiles.py", "import os\nx = os.environ['A']", "the environment is read outside settings"),
        ("cli/sample.py", "from os import environ", "the environment is read outside settings"),
        ("blueprints/tiles.py", "from flask import current_app\ndef tile(): current_app.x", "current_app in tile"),
        ("blueprints/access.py", "import flask\ndef other(): flask.current_app.x", "current_app in other"),
        ("blueprints/access.py", "from flask import current_app as c\nx = c", "current_app in the module"),
        ("utils.py", "", "a room that the plan does not have"),
        ("helpers/x.py", "", "a room that the plan does not have"),
        ("layers/grid.py", "\n" * 401, "401 lines"),
    ],
)
def test_planted_violation_is_found(house: Path, path: str, source: str, found: str) -> None:
    planted = house / path
    planted.parent.mkdir(exist_ok=True)
    before = planted.read_text() if planted.exists() else ""
    planted.write_text(before + source)
    sentences = violations(house)
    assert sentences
    assert all(sentence.startswith((f"{path}:", "blueprints/access.py:")) for sentence in sentences)
    assert any(found in sentence for sentence in sentences)
