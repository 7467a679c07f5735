"""From outside: the wheel in an environment of its own, and the applications of docs/embedding.md."""

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from mapbox_vector_tile import decode

from scripts.lib import CHECKOUT, child
from tests.embedding.conftest import TILE
from tests.servers import port


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in which Flagstone is installed from its wheel; the packages it needs are those of this environment."""
    source = tmp_path_factory.mktemp("source")
    copytree(CHECKOUT / "app", source / "app", ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(CHECKOUT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", "-w", source / "dist", source])
    [wheel] = (source / "dist").glob("flagstone-*.whl")
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    made = home / "bin" / "python"
    _run([*pip, "--python", made, "install", "--no-deps", "--no-index", "--quiet", wheel])
    [packages] = home.glob("lib/python*/site-packages")
    [ours] = {path for path in sys.path if path.endswith("site-packages")}
    (packages / "needed.pth").write_text(ours)
    return made


def _run(command: list[Any], **more: Any) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer


def blocks(language: str) -> list[str]:
    """The blocks of the page in this language."""
    text = (CHECKOUT / "docs" / "embedding.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def project(python: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`project(code, **environment)` makes a project whose module is app.py, runs it under gunicorn and gives its URL."""
    with ExitStack() as started:

        def start(code: str, *arguments: str, application: str = "app:app", **environment: str) -> str:
            (tmp_path / "app.py").write_text(code)
            free, log = port.free(), tmp_path / "log"
            with log.open("ab") as output:
                process = child.start(
                    [str(python), "-m", "gunicorn", *(arguments or ["--bind", f"127.0.0.1:{free}", "--threads", "4"]), application],
                    cwd=tmp_path, env=_environment(PORT=str(free), **environment), output=output,
                )  # fmt: skip
            started.callback(child.end, process)
            port.wait_for(free, process, log)
            return f"http://127.0.0.1:{free}"

        yield start


def _environment(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "FLAGSTONE_NODE_MODULES": str(CHECKOUT / "node_modules"), **given}


def ask(url: str, **headers: str) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(url, headers=named), timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def names(tile: bytes) -> set[str]:
    [layer] = decode(tile).values()
    return {feature["properties"]["name"] for feature in layer["features"]}


def test_smallest_application_of_the_page_serves_tiles(project: Callable[..., str], databases: tuple[str, str]) -> None:
    url = project(blocks("python")[0], DATABASE_URL=databases[0])
    assert names(ask(f"{url}/maps/{TILE}")[1]) == {"world", "large world"}
    document = json.loads(ask(f"{url}/maps/places/tilejson.json")[1])
    assert document["tiles"] == [f"{url}/maps/tiles/public.places/{{z}}/{{x}}/{{y}}"]
    for path in ("", "public.places/viewer", "static/viewer.js", "vendor/maplibre-gl/maplibre-gl.mjs", "tables.json"):
        status, body = ask(f"{url}/maps/{path}", Accept="text/html")
        assert status == 200 and body, path
    status, body = ask(f"{url}/nothing")
    assert status == 404 and b"<!doctype html>" in body, "the host's own page"


def test_application_of_the_page_with_two_databases(
    project: Callable[..., str], databases: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "crowded.sql").write_text(
        "-- parameter: least integer = 1000 -- Fewest people\nSELECT name, geom FROM places WHERE people >= :least\n"
    )
    url = project(blocks("python")[1], WORLD_DATABASE=databases[0], CITY_DATABASE=databases[1], CITY_KEY="right")
    assert names(ask(f"{url}/world/{TILE}")[1]) == {"world", "large world"}
    assert names(ask(f"{url}/world/tiles/crowded/0/0/0")[1]) == {"large world"}
    assert ask(f"{url}/internal/city/{TILE}")[0] == 403
    assert names(ask(f"{url}/internal/city/{TILE}", X_Key="right")[1]) == {"city", "large city"}
    assert names(ask(f"{url}/internal/city/tiles/large/0/0/0", X_Key="right")[1]) == {"large city"}
    assert ask(f"{url}/world/tiles/large/0/0/0")[0] == 404, "a statement of the other database"
    assert ask(f"{url}/internal/city/tiles/crowded/0/0/0", X_Key="right")[0] == 404


def test_package_runs_alone_under_gunicorn_and_flask(
    project: Callable[..., str], python: Path, databases: tuple[str, str], tmp_path: Path
) -> None:
    url = project("", "-c", "python:flagstone.gunicorn_conf", application="flagstone:create_app()", DATABASE_URL=databases[0],
                  WEB_CONCURRENCY="1")  # fmt: skip
    assert names(ask(f"{url}/{TILE}")[1]) == {"world", "large world"}
    assert b"places" in ask(f"{url}/", Accept="text/html")[1]
    answer = _run([python, "-m", "flask", "--app", "flagstone", "catalog", "list"], cwd=tmp_path,
                  env=_environment(DATABASE_URL=databases[0]))  # fmt: skip
    assert "public.places" in answer.stdout


def test_package_has_every_file_of_the_checkout_but_no_bytecode(python: Path) -> None:
    [there] = python.parents[1].glob("lib/python*/site-packages/flagstone")
    def files(root: Path) -> set[str]:
        return {
            path.relative_to(root).as_posix() for path in root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
        }  # fmt: skip
    assert files(there) == files(CHECKOUT / "app")
