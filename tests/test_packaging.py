"""The wheel holds the same tree as app/, under the name flagstone."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions

from scripts.lib import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def _name(entry: str) -> str:
    return entry.split(">")[0].split("[")[0].lower()




def test_every_folder_with_modules_is_a_package_of_the_wheel() -> None:
    folders = {path.parent.relative_to(CHECKOUT / "app") for path in (CHECKOUT / "app").rglob("*.py")}
    named = {".".join(("flagstone", *folder.parts)) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == named


EXTRAS = PROJECT["project"]["optional-dependencies"]
DEPENDENCIES = {_name(entry) for entry in PROJECT["project"]["dependencies"]}


def test_what_the_wheel_depends_on_is_pinned_for_the_checkout() -> None:
    pinned = {line.split("==")[0].lower() for line in (CHECKOUT / "requirements.txt").read_text().splitlines()}
    assert {_name(entry) for extra in EXTRAS.values() for entry in extra} | DEPENDENCIES <= pinned


def test_everything_that_the_application_imports_is_a_dependency() -> None:
    found = {
        name
        for path in (CHECKOUT / "app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    } - set(sys.stdlib_module_names)  # fmt: skip
    homes = packages_distributions()
    wanted = {name: {home.lower() for home in homes.get(name, ())} for name in found - {"_typeshed"}}
    allowed = DEPENDENCIES | {_name(entry) for extra in EXTRAS.values() for entry in extra}
    assert {name for name, home in wanted.items() if not home & allowed} == set()


def test_what_only_a_server_of_its_own_needs_is_imported_where_it_is_used() -> None:
    of_redis = {
        "cluster_line.py", "cluster_versions.py", "config.py", "inventory.py", "leases.py", "purges.py", "redis_client.py",
        "redis_cluster.py", "redis_line.py", "redis_versions.py",
    }  # fmt: skip
    for package, files in {"gunicorn": {"gunicorn_conf.py", "gunicorn_worker.py"}, "redis": of_redis}.items():
        importing = {
            path.name
            for path in (CHECKOUT / "app").rglob("*.py")
            if any(package in _imported(node) for node in ast.walk(ast.parse(path.read_text())))
        }
        assert importing == files


def _imported(node: ast.AST) -> list[str]:
    """Top-level packages that a statement imports; none for what is of the application itself."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.partition(".")[0]]
    return []
