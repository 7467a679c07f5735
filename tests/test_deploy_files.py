"""Dockerfile, deploy/compose.yaml and deploy/flagstone.service, as far as they can be held without Docker or systemd."""

import configparser
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from scripts.lib import CHECKOUT, child
from tests.servers import port

COMMAND = ["gunicorn", "-c", "python:app.gunicorn_conf", "wsgi:app"]
COMPOSE = CHECKOUT / "deploy" / "compose.yaml"
UNIT = CHECKOUT / "deploy" / "flagstone.service"
SETTING = re.compile(r"\b(?:FLAGSTONE|CACHE|POSTGRES)_[A-Z_]+[A-Z]\b|\bDATABASE_URL\b|\bWEB_CONCURRENCY\b")


# --- Dockerfile -------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """(`COPY`, its arguments) and so on, lines joined."""
    text = (CHECKOUT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def copied(*, last_stage: bool = False) -> list[tuple[list[str], str]]:
    """What is copied from the checkout, and where to."""
    found = instructions()
    if last_stage:
        found = found[max(number for number, (word, _) in enumerate(found) if word == "FROM") :]
    words = [shlex.split(rest) for word, rest in found if word == "COPY" and not rest.startswith("--from")]
    return [(parts[:-1], parts[-1]) for parts in words]


def last(word: str) -> str:
    return [rest for name, rest in instructions() if name == word][-1]


def test_everything_that_the_image_copies_is_in_the_checkout_and_sent_to_docker() -> None:
    ignored = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    sources = [source for names, _ in copied() for source in names]
    assert {"requirements.txt", "package-lock.json", "app", "wsgi.py", "migrations_sample"} <= set(sources)
    for source in sources:
        assert (CHECKOUT / source).exists(), source
        assert not any(fnmatch.fnmatch(source, pattern) for pattern in ignored), source
    assert {".env", ".git", ".venv", ".local"} <= set(ignored)


def test_stages_that_are_copied_from_exist() -> None:
    stages = re.findall(r"AS (\S+)", "\n".join(rest for word, rest in instructions() if word == "FROM"))
    assert set(re.findall(r"--from=(\S+)", "\n".join(rest for word, rest in instructions() if word == "COPY"))) <= set(stages)


def test_image_does_not_run_as_root() -> None:
    words = [word for word, _ in instructions()]
    assert last("USER") not in ("root", "0")
    assert words.index("USER") < words.index("CMD")


@pytest.fixture
def image(tmp_path: Path, sample_database: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """The image's own files, nothing else of the checkout, and its command running in them; its environment."""
    for names, target in copied(last_stage=True):
        for name in names:
            to = tmp_path / target / Path(name).name if target.endswith("/") else tmp_path / target
            if (CHECKOUT / name).is_dir():
                shutil.copytree(CHECKOUT / name, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(CHECKOUT / name, to)
    if (CHECKOUT / "node_modules").is_dir():
        (tmp_path / "node_modules").symlink_to(CHECKOUT / "node_modules")
    variables = dict(part.split("=", 1) for part in shlex.split(last("ENV")))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**variables, "PATH": path, "DATABASE_URL": sample_database, "PORT": str(port.free()), "WEB_CONCURRENCY": "1"}
    with (tmp_path / "log").open("wb") as log:
        process = child.start(json.loads(last("CMD")), cwd=tmp_path, env=environment, output=log)
    try:
        port.wait_for(int(environment["PORT"]), process, tmp_path / "log")
        yield process, {**environment, "PWD": str(tmp_path)}
    finally:
        child.end(process)


def test_image_starts_is_healthy_and_loads_the_sample(
    image: tuple[subprocess.Popen[bytes], dict[str, str]], database: str
) -> None:
    process, environment = image
    health = json.loads(last("HEALTHCHECK").partition("CMD")[2])

    def runs(command: list[str], **changes: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, cwd=environment["PWD"], env={**environment, **changes}, capture_output=True)

    assert runs(health).returncode == 0
    loads = yaml.safe_load(COMPOSE.read_text())["services"]["sample"]["command"]
    loaded = runs(loads, DATABASE_URL=database)
    assert loaded.returncode == 0, loaded.stderr
    assert b"sample.countries" in loaded.stdout
    # A container's files are read-only.
    assert not list(Path(environment["PWD"]).rglob("__pycache__"))
    child.end(process)
    assert runs(health).returncode != 0


def test_image_service_and_docs_start_the_same_command() -> None:
    assert json.loads(last("CMD")) == COMMAND
    assert unit()["Service"]["ExecStart"].endswith("/bin/" + " ".join(COMMAND))
    assert " ".join(COMMAND) in (CHECKOUT / "docs" / "deployment.md").read_text()


# --- compose.yaml -----------------------------------------------------------------------------------------------------


@pytest.fixture
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_compose_starts_what_the_docs_promise(services: dict[str, dict[str, Any]]) -> None:
    assert {"postgis", "redis", "flagstone", "nginx"} <= services.keys()
    assert services["postgis"]["image"] == "postgis/postgis:15-3.3"


def test_compose_mounts_and_builds_what_exists(services: dict[str, dict[str, Any]]) -> None:
    volumes = yaml.safe_load(COMPOSE.read_text())["volumes"]
    for service in services.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (COMPOSE.parent / source).is_file() if source.startswith(".") else source in volumes, mount
    assert (COMPOSE.parent / services["flagstone"]["build"]["context"] / "Dockerfile").is_file()


def test_compose_waits_for_health_where_it_is_checked(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", name
            # Flagstone's is in its image.
            assert "test" in services[needed].get("healthcheck", {}) or needed == "flagstone", needed


def test_compose_publishes_nginx_alone(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]


def test_compose_sets_what_flagstone_knows(services: dict[str, dict[str, Any]]) -> None:
    environment = services["flagstone"]["environment"]
    assert environment.keys() <= Settings.variables()
    Settings.of(**{name: re.sub(r"\$\{.*?:-(.*?)\}", r"\1", value) for name, value in environment.items()})
    assert environment["FLAGSTONE_TRUSTED_PROXIES"] == "1"


def test_compose_points_nginx_at_the_application(services: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    shell = services["nginx"]["command"][-1]
    expression = re.search(r"sed '(.*?)'", shell)
    assert expression
    text = subprocess.run(
        ["sed", expression[1], CHECKOUT / "deploy" / "nginx.conf"], capture_output=True, text=True, check=True
    ).stdout
    assert "server flagstone:8081;" in text
    assert "127.0.0.1" not in text
    included = set(re.findall(r"include (\S+);", text))
    mounted = {mount.split(":")[1] for mount in services["nginx"]["volumes"]}
    assert {f"/etc/nginx/{name}" for name in included} <= mounted


# --- flagstone.service ------------------------------------------------------------------------------------------------


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


def test_service_gives_workers_time_to_finish() -> None:
    assert float(unit()["Service"]["TimeoutStopSec"]) > Settings.of().longest_tile_s + 3


def test_nginx_waits_longer_than_a_tile_may_take() -> None:
    waits = re.search(r"^proxy_read_timeout (\d+)s;", (CHECKOUT / "deploy" / "nginx-proxy.conf").read_text(), re.MULTILINE)
    assert waits is not None
    assert float(waits[1]) > Settings.of().longest_tile_s


def test_service_is_confined() -> None:
    service = unit()["Service"]
    assert service["User"] != "root"
    assert service["ProtectSystem"] == "strict"
    for name in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "PrivateDevices", "RestrictNamespaces"):
        assert service[name] == "yes"
    assert service["CapabilityBoundingSet"] == ""


def test_systemd_understands_the_service(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    text = UNIT.read_text().replace("/opt/flagstone/.venv/bin/gunicorn", sys.executable)
    (tmp_path / UNIT.name).write_text(text)
    verified = subprocess.run([analyze, "verify", "--man=no", tmp_path / UNIT.name], capture_output=True, text=True)
    complaints = [line for line in (verified.stdout + verified.stderr).splitlines() if UNIT.name in line]
    assert complaints == []


# --- docs -------------------------------------------------------------------------------------------------------------


def test_docs_and_files_name_settings_that_exist() -> None:
    for path in (CHECKOUT / "docs" / "deployment.md", CHECKOUT / "Dockerfile", *(CHECKOUT / "deploy").iterdir()):
        named = set(SETTING.findall(path.read_text())) - {"POSTGRES_PASSWORD", "POSTGRES_DB"}  # of the postgis image
        assert named <= Settings.variables(), path
