"""The wheel holds the same tree as app/, under the name flagstone."""

import tomllib

from scripts.lib import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def test_every_folder_with_modules_is_a_package_of_the_wheel() -> None:
    folders = {path.parent.relative_to(CHECKOUT / "app") for path in (CHECKOUT / "app").rglob("*.py")}
    named = {".".join(("flagstone", *folder.parts)) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == named


def test_what_the_wheel_depends_on_is_pinned_for_the_checkout() -> None:
    pinned = {line.split("==")[0].lower() for line in (CHECKOUT / "requirements.txt").read_text().splitlines()}
    wanted = {entry.split(">")[0].split("[")[0].lower() for entry in PROJECT["project"]["dependencies"]}
    assert wanted <= pinned
