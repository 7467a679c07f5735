"""Every command that the README shows is run. scripts/demo and scripts/test have tests of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib import CHECKOUT
from tests.servers.postgres import DatabaseServer

BLOCKS = re.findall(r"^```sh\n(.*?)^```", (CHECKOUT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("flask ")]
TESTED_ELSEWHERE = ("scripts/demo", "scripts/test")


@pytest.fixture(scope="module")
def with_sample(server: DatabaseServer, template: str) -> Iterator[str]:
    """A database into which the README's own command loaded the sample; the one that all tests share may not change."""
    dsn = server.create(template)
    assert _run("flask sample load", dsn).returncode == 0
    yield dsn
    server.drop(dsn)


def _run(command: str, dsn: str) -> subprocess.CompletedProcess[str]:
    # As a person does it: in the checkout, with .venv/bin on the PATH.
    variables = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DATABASE_URL": dsn}
    return subprocess.run(["bash", "-c", command], cwd=CHECKOUT, env=variables, capture_output=True, text=True, timeout=120)


def test_readme_shows_the_commands() -> None:
    assert len(COMMANDS) >= 6
    others = [line for block in BLOCKS for line in block.splitlines() if line and line not in COMMANDS]
    assert [line for line in others if not line.startswith(TESTED_ELSEWHERE)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_the_readme_works(command: str, with_sample: str) -> None:
    answer = _run(command, with_sample)
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.splitlines()) > 1
    assert "Traceback" not in answer.stderr
