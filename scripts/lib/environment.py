"""The two trees of foreign code beside the checkout's own: .venv and node_modules."""

import hashlib
import json
import os
import subprocess
import sys

from . import CHECKOUT, packages, progress

PYTHON = CHECKOUT / ".venv" / "bin" / "python"


def make_python(requirements: str) -> None:
    """Bring .venv to what the file `requirements` pins; a second time nothing is asked of the network.

    Raises `progress.Failed`.
    """
    pins = hashlib.sha256((CHECKOUT / requirements).read_bytes()).hexdigest()
    stamp = CHECKOUT / ".venv" / f".{requirements}.sha256"
    if works() and stamp.is_file() and stamp.read_text() == pins:
        return
    if not works():
        # --clear: what an interrupted start left, or a Python that the system has since replaced.
        progress.run("Making .venv", [sys.executable, "-m", "venv", "--clear", CHECKOUT / ".venv"])
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    progress.run(f"Installing the Python packages of {requirements}", [*pip, "-r", requirements], cwd=CHECKOUT)
    stamp.write_text(pins)


def works() -> bool:
    """Whether .venv holds a Python that runs and can install."""
    wanted = "import sys, pip; assert sys.version_info >= (3, 11)"
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", wanted], capture_output=True).returncode == 0


def have_node_modules() -> bool:
    """Whether node_modules holds the MapLibre, and the OpenLayers of the tests, that package-lock.json pins."""
    pinned = json.loads((CHECKOUT / "package-lock.json").read_text())["packages"]
    names = [f"node_modules/{name}" for kind in ("dependencies", "devDependencies") for name in pinned[""].get(kind, {})]
    return all(_version(name) == pinned[name]["version"] for name in names)


def _version(module: str) -> str | None:
    described = CHECKOUT / module / "package.json"
    return str(json.loads(described.read_text())["version"]) if described.is_file() else None


def make_node_modules() -> str | None:
    """Fill node_modules from the lock file. Gives the reason when that is not possible: the rest works without."""
    if have_node_modules():
        return None
    npm = packages.which("npm")
    if npm is None:
        return packages.sentence([packages.NODE])
    try:
        progress.run(
            "Installing MapLibre into node_modules",
            [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
            cwd=CHECKOUT,
            env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
        )
    except progress.Failed as failure:
        return f"{failure}\n  Try 'npm ci' in {CHECKOUT}."
    return None


def database_and_port() -> tuple[bool, str, int]:
    """Whether the environment or .env names a database, the address to listen on, and the port.

    Asked of the application's own settings, which refuse a wrong value with its name: raises `progress.Failed`.
    """
    answer = subprocess.run([PYTHON, "-c", _QUESTION], cwd=CHECKOUT, capture_output=True, text=True)
    if answer.returncode != 0:
        raise progress.Failed(answer.stderr.strip().splitlines()[-1])
    named, bind, port = json.loads(answer.stdout)
    return named, bind, port


# Settings.load brings .env into the environment; libpq's own variables are no settings and are looked for there.
_QUESTION = """
import json, os, sys
from app.errors import ConfigurationError
from app.settings import Settings
try:
    settings = Settings.load()
except ConfigurationError as error:
    sys.exit(str(error))
named = bool(settings.conninfo) or any(os.environ.get(name) for name in ("PGSERVICE", "PGHOST", "PGDATABASE"))
print(json.dumps([named, settings.bind, settings.port]))
"""
