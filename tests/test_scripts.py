"""scripts/demo and scripts/test as a person starts them."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from scripts.lib import CHECKOUT, packages, postgres
from tests.servers import port

_START_SECONDS = 120
_STOP_SECONDS = 45
_SHELL = (*sorted((CHECKOUT / "scripts").glob("*")), CHECKOUT / ".ci" / "run", *(CHECKOUT / "scripts").glob("lib/*.sh"))
_SHELL_FILES = [path for path in _SHELL if path.is_file() and path.suffix in ("", ".sh")]


@pytest.mark.parametrize("path", _SHELL_FILES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_shell_parses_the_script(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    if path.suffix == "" and "bash" not in first:
        pytest.skip("not a shell script")
    subprocess.run(["bash", "-n", path], check=True)
    if path.suffix == "":
        assert first == "#!/usr/bin/env bash"
        assert os.access(path, os.X_OK)


@pytest.mark.parametrize("script", ["demo", "test"])
def test_help_says_what_the_script_does_and_starts_nothing(script: str) -> None:
    answer = subprocess.run([CHECKOUT / "scripts" / script, "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert f"scripts/{script}" in answer.stdout
    assert ".venv" in answer.stdout


def test_scripts_in_the_readme_exist() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    commands = [line.split()[0] for block in blocks for line in block.splitlines() if line.startswith("scripts/")]
    assert {"scripts/demo", "scripts/test"} <= set(commands)
    missing = [command for command in commands if not os.access(CHECKOUT / command, os.X_OK)]
    assert missing == []


def test_every_requirement_is_pinned_and_every_direct_one_explained() -> None:
    for file in CHECKOUT.glob("requirements*.txt"):
        direct, _, _ = file.read_text().partition("# What those need.")
        for line in file.read_text().splitlines():
            assert re.fullmatch(r"(#.*|-r requirements\.txt|[\w.-]+==\S+( +# .+)?|)", line), f"{file.name}: {line}"
        for line in direct.splitlines():
            assert "==" not in line or "# " in line, f"{file.name}: what is it for? {line}"


def test_what_is_missing_is_named_for_three_systems() -> None:
    text = packages.sentence([packages.postgis(), packages.NODE])
    assert "apt install postgresql" in text
    assert "dnf install postgresql-server postgis nodejs npm" in text
    assert "brew install postgresql@17 postgis node" in text


class Demo:
    """scripts/demo, started in a checkout as some account, with its own output file."""

    def __init__(self, checkout: Path, account: str | None, **variables: str) -> None:
        self.checkout = checkout
        self.port = port.free()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ}
        self.process = subprocess.Popen(
            [checkout / "scripts" / "demo"], cwd="/", user=account, extra_groups=None if account is None else [],
            group=None if account is None else pwd.getpwnam(account).pw_gid,
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
            env={**kept, "HOME": str(checkout.parent), "PORT": str(self.port), **variables},
        )  # fmt: skip
        self.descendants: set[psutil.Process] = set()

    def output(self) -> str:
        self._output.seek(0)
        return self._output.read().decode()

    def wait_for_address(self) -> str:
        until = time.monotonic() + _START_SECONDS
        while (found := re.search(r"Flagstone is at (http://\S+)", self.output())) is None:
            assert self.process.poll() is None, f"scripts/demo ended:\n{self.output()}"
            assert time.monotonic() < until, f"scripts/demo does not come up:\n{self.output()}"
            time.sleep(0.1)
        self.descendants = set(psutil.Process(self.process.pid).children(recursive=True))
        return found[1]

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(_STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def close(self) -> None:
        self.stop()
        self._output.close()
        (self.checkout / ".local" / f"demo-{self.port}.log").unlink(missing_ok=True)

    def assert_nothing_is_left(self) -> None:
        names = sorted(process.name() for process in self.descendants if process.is_running())
        assert names == []
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))


def _copy(to: Path, account: str | None) -> Path:
    """The checkout's files at another place, with the real .venv and node_modules behind links, or copied for an account that may not enter them: no new installation."""
    made_here = shutil.ignore_patterns(".git", ".venv", ".local", ".env", "node_modules", "tests", "__pycache__", ".*_cache")
    shutil.copytree(CHECKOUT, to, dirs_exist_ok=True, ignore=made_here)
    if account is None:
        for tree in (".venv", "node_modules"):
            if (CHECKOUT / tree).exists():
                (to / tree).symlink_to(CHECKOUT / tree)
        return to
    _environment_for(account, to)
    if (CHECKOUT / "node_modules").exists():
        shutil.copytree(CHECKOUT / "node_modules", to / "node_modules", symlinks=True)
    for path in (to, *to.rglob("*")):
        if not path.is_symlink():
            shutil.chown(path, account)
    return to


def _needs_postgres() -> None:
    if postgres.programs() is None:
        reason = packages.sentence([packages.postgis()])
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


def _account() -> str | None:
    """An ordinary account to start as, where the tests are root; None is oneself."""
    return postgres.unprivileged_user()


def _environment_for(account: str, checkout: Path) -> None:
    """Give the checkout a .venv that `account` can run, where it cannot enter that of the tests, nor its Python."""
    pythons = [Path(sys.executable).resolve(), Path(f"/usr/bin/python3.{sys.version_info.minor}")]
    python = next((path for path in pythons if _runs(path, account)), None)
    if python is None:
        pytest.skip(f"no Python 3.{sys.version_info.minor} that the account {account} may run")
    subprocess.run([python, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    for stamp in (CHECKOUT / ".venv").glob(".requirements*"):
        shutil.copy(stamp, checkout / ".venv")
    packages_ = f"lib/python3.{sys.version_info.minor}/site-packages"
    shutil.copytree(CHECKOUT / ".venv" / packages_, checkout / ".venv" / packages_, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("playwright", "mypy", "__pycache__"))  # fmt: skip


def _runs(python: Path, account: str) -> bool:
    try:
        return subprocess.run([python, "-c", ""], user=account, extra_groups=[], cwd="/").returncode == 0
    except (FileNotFoundError, PermissionError):
        return False


@pytest.fixture
def long_path() -> Iterator[Path]:
    """A directory whose path has 150 characters, below one that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="flagstone-test-", dir="/var/tmp") as top:
        Path(top).chmod(0o755)
        path = Path(top) / ("p" * (150 - len(top) - 1))
        path.mkdir()
        assert len(str(path)) == 150
        yield path


@pytest.fixture
def started() -> Iterator[list[Demo]]:
    demos: list[Demo] = []
    yield demos
    for demo in demos:
        demo.close()


def _page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.status == 200
        text: str = answer.read().decode()
        return text


def _tile(address: str) -> bytes:
    with urllib.request.urlopen(f"{address}tiles/sample.countries/2/2/1", timeout=20) as answer:
        body: bytes = answer.read()
        return body


def _as_told(demo: Demo, command: str) -> str:
    """What a command prints in a new shell into which the demo's lines were pasted."""
    lines = re.findall(r"^ +((?:cd|export) .*)$", demo.output(), re.MULTILINE)
    assert len(lines) == 3
    answer = subprocess.run(["bash", "-euc", "\n".join([*lines, command])], cwd="/", env={"PATH": os.environ["PATH"]},
                            capture_output=True, text=True, timeout=60)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_demo_of_an_ordinary_user_at_a_long_path(long_path: Path, started: list[Demo]) -> None:
    _needs_postgres()
    account = _account()
    checkout = _copy(long_path, account)
    first = Demo(checkout, account)
    started.append(first)
    address = first.wait_for_address()
    assert address == f"http://127.0.0.1:{first.port}/"
    assert "sample.countries" in _page(f"{address}tables.json")
    assert _tile(address)
    assert "sample.countries" in _as_told(first, "python -m flask catalog show sample.countries")
    assert "postgres" in {process.name() for process in first.descendants}
    assert first.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    first.assert_nothing_is_left()
    assert "Loading the sample" in first.output()
    assert "Listening at" not in first.output()
    assert "Listening at" in (checkout / ".local" / f"demo-{first.port}.log").read_text()

    began = time.monotonic()
    second = Demo(checkout, account)
    started.append(second)
    assert _tile(second.wait_for_address())
    assert time.monotonic() - began < 15
    assert "Loading the sample" not in second.output()
    another = Demo(checkout, account)
    started.append(another)
    assert another.process.wait(30) == 1
    assert "running already" in another.output()
    assert f"kill {second.process.pid}" in another.output()
    assert second.stop(signal.SIGINT) == 128 + signal.SIGINT
    second.assert_nothing_is_left()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a home that other accounts may not enter")
def test_demo_of_root_below_its_home(started: list[Demo]) -> None:
    _needs_postgres()
    with tempfile.TemporaryDirectory(prefix=".flagstone-test-", dir=Path.home()) as place:
        checkout = _copy(Path(place), None)
        demo = Demo(checkout, None)
        started.append(demo)
        home = Path("/var/tmp") / f"flagstone-{_digest_of(checkout)}"
        try:
            assert "sample.countries" in _page(f"{demo.wait_for_address()}tables.json")
            assert home.stat().st_mode & 0o777 == 0o700
            assert home.owner() != "root"
            assert not (checkout / ".local" / "postgres").exists()
            assert "sample.countries" in _as_told(demo, "flask catalog list")
            demo.stop()
            demo.assert_nothing_is_left()
        finally:
            demo.stop()
            shutil.rmtree(home, ignore_errors=True)


def _digest_of(checkout: Path) -> str:
    import hashlib

    return hashlib.sha256(str(checkout).encode()).hexdigest()[:12]


def test_killed_demo_takes_its_children_with_it(started: list[Demo], database: str) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent is gone")
    demo = Demo(CHECKOUT, None, DATABASE_URL=database)
    started.append(demo)
    demo.wait_for_address()
    demo.process.kill()
    demo.process.wait()
    psutil.wait_procs(demo.descendants, timeout=_STOP_SECONDS)
    demo.assert_nothing_is_left()


def test_demo_changes_nothing_in_a_database_that_is_given(started: list[Demo], database: str) -> None:
    demo = Demo(CHECKOUT, None, DATABASE_URL=database)
    started.append(demo)
    address = demo.wait_for_address()
    assert "sample." not in _page(f"{address}tables.json")
    assert "postgres" not in {process.name() for process in demo.descendants}
    demo.stop()
    demo.assert_nothing_is_left()


def test_warnings_are_said_before_the_address_and_once(started: list[Demo], database: str) -> None:
    demo = Demo(CHECKOUT, None, DATABASE_URL=database)
    started.append(demo)
    demo.wait_for_address()
    warning, _, rest = demo.output().partition("Flagstone is at")
    assert warning.count("is a superuser") == 1
    assert rest.count("\n") == 1
    assert "export DATABASE_URL" not in demo.output()


def test_database_without_postgis_is_said_and_there_is_no_address(started: list[Demo], database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP EXTENSION postgis CASCADE")
    _assert_refused(started, database, "has no PostGIS")


def test_database_that_is_down_is_said_and_there_is_no_address(started: list[Demo]) -> None:
    _assert_refused(started, f"postgresql://flagstone@127.0.0.1:{port.free()}/none", "The database does not answer.")


def _assert_refused(started: list[Demo], database: str, reason: str) -> None:
    demo = Demo(CHECKOUT, None, DATABASE_URL=database)
    started.append(demo)
    assert demo.process.wait(60) == 1
    last = demo.output().rstrip().splitlines()[-1]
    assert reason in last
    assert "Flagstone is at" not in demo.output()
    assert "Traceback" not in demo.output()


def test_port_in_use_is_said_before_anything_is_started(started: list[Demo], database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        demo = Demo(CHECKOUT, None, DATABASE_URL=database, PORT=str(number))
        started.append(demo)
        assert demo.process.wait(60) == 1
    assert f"Port {number} of 127.0.0.1 cannot be used" in demo.output()
    assert f"PORT={number + 1} scripts/demo" in demo.output()


def test_wrong_setting_is_said_with_its_name(started: list[Demo]) -> None:
    demo = Demo(CHECKOUT, None, PORT="many")
    started.append(demo)
    assert demo.process.wait(60) == 1
    assert "PORT" in demo.output()
    assert "Traceback" not in demo.output()
