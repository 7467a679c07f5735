"""scripts/test: linter, types and all tests, on real servers."""

import argparse
import os
import signal
import subprocess
import sys

from . import CHECKOUT, child, environment, packages, progress

_DESCRIPTION = """\
Makes .venv, gets what the tests need (PostgreSQL with PostGIS, Redis, nginx, Chromium, PgBouncer, MapLibre; with
apt where that is allowed), then runs ruff, mypy and pytest with coverage. Other arguments are pytest's, and with
any of them only pytest runs: scripts/test tests/test_scripts.py -k demo

TEST_DATABASE_URL names a server for the tests' databases (its login needs CREATEDB and CREATEROLE, and a superuser
for PostGIS, unless template1 has it); without it a private one runs as long as the tests. What is missing is skipped
with a reason; with CI=true it fails.
"""
_OPTIONAL = (packages.REDIS, packages.NGINX, packages.CHROMIUM, packages.PGBOUNCER, packages.NODE)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/test", description=_DESCRIPTION, usage="scripts/test [pytest's arguments]",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    _, for_pytest = parser.parse_known_args(arguments)
    child.raise_when_stopped()
    try:
        _prepare()
        failed = [] if for_pytest else [name for name, module, *rest in _LINTERS if _run(name, module, *rest) != 0]
        code = _run("pytest", "pytest", *(for_pytest or _whole_suite()))
    except child.Stopped as stopped:
        return stopped.exit_code
    except progress.Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    if failed:
        print(f"{' and '.join(failed)} found faults, see above.", file=sys.stderr)
    return code or (1 if failed else 0)


_LINTERS = (("ruff", "ruff", "check", "."), ("mypy", "mypy"))
_WHOLE_SUITE = ("--cov=app", "--cov-report=term:skip-covered")
_SIDE_BY_SIDE = ("--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder")
"""Each process starts a PostgreSQL of its own; on one server that is given, the roles of two would meet. Much of the time
is waiting, so that three keep two cores busy."""


def _whole_suite() -> tuple[str, ...]:
    return _WHOLE_SUITE if "TEST_DATABASE_URL" in os.environ else (*_WHOLE_SUITE, *_SIDE_BY_SIDE)


def _prepare() -> None:
    progress.say("Flagstone's tests")
    # One call of apt for all of it; PostgreSQL also where TEST_DATABASE_URL is set, for the tests that restart one.
    missing = packages.install([*([] if environment.works() else [packages.VENV]), packages.postgis(), *_OPTIONAL])
    if packages.VENV in missing:
        raise progress.Failed(packages.sentence([packages.VENV]))
    environment.make_python("requirements.txt")
    environment.make_python("requirements-dev.txt")
    without_maps = environment.make_node_modules()
    if missing:
        progress.say(f"  {packages.sentence(missing)}\n  {_consequence()}")
    elif without_maps:
        progress.say(f"  {without_maps}\n  {_consequence()}")


def _consequence() -> str:
    ci = os.environ.get("CI") == "true"
    return "With CI=true the tests that need them fail." if ci else "The tests that need them are skipped."


def _run(name: str, module: str, *arguments: str) -> int:
    """Run a module of .venv in the foreground: its output is ours, and a debugger can read the terminal."""
    progress.say(f"\n{name}")
    process = subprocess.Popen([environment.PYTHON, "-m", module, *arguments], cwd=CHECKOUT)
    try:
        return process.wait()
    finally:
        # Asked as by Ctrl-C: then pytest ends its fixtures' servers and prints what it has so far.
        child.end(process, signal.SIGINT, within_seconds=30)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
