"""scripts/bench: gets what the measurement needs, then runs it in .venv. Only the standard library."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from scripts.lib import CHECKOUT, child, environment, packages, postgres, progress

from . import options

WRK = packages.Need("wrk", ("wrk",), ("wrk",), ("wrk",), "wrk", "requests per second")
_OPTIONAL = (packages.REDIS, packages.NGINX, WRK)


def main(arguments: list[str]) -> int:
    options.read(arguments)  # refuses what is wrong before anything is installed
    child.raise_when_stopped()
    try:
        with ExitStack() as started:
            return _measure(started, arguments)
    except child.Stopped as stopped:
        return stopped.exit_code
    except progress.Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1


def _measure(started: ExitStack, arguments: list[str]) -> int:
    progress.say("Flagstone's benchmark")
    own_server = "TEST_DATABASE_URL" not in os.environ
    missing = packages.install([
        *([] if environment.works() else [packages.VENV]), *([packages.postgis()] if own_server else []), *_OPTIONAL,
    ])  # fmt: skip
    needed = [need for need in missing if need not in _OPTIONAL]
    if needed:
        raise progress.Failed(packages.sentence(needed))
    if missing:
        progress.say(f"  {packages.sentence(missing)}\n  Without them the figures that need them are left out.")
    environment.make_python("requirements.txt")
    environment.make_python("requirements-bench.txt")
    variables = dict(os.environ)
    if own_server:
        variables["TEST_DATABASE_URL"] = _private_server(started)
    process = subprocess.Popen([environment.PYTHON, "-m", "bench.run", *arguments], cwd=CHECKOUT, env=variables)
    # Asked as by Ctrl-C, so that it ends the servers that it started.
    started.callback(child.end, process, 2, 30)
    return process.wait()


def _private_server(started: ExitStack) -> str:
    """A PostgreSQL as Debian configures it, but for fsync: nothing is kept. Gives its URL."""
    # Not below the checkout: PostgreSQL's account may not enter it where this program is root.
    directory = started.enter_context(tempfile.TemporaryDirectory(prefix="flagstone-bench-", dir="/var/tmp"))
    Path(directory).chmod(0o755)
    settings = {"max_connections": "200", "wal_level": "minimal", "max_wal_senders": "0", "max_locks_per_transaction": "256"}
    cluster = postgres.Cluster(Path(directory) / "postgres", durable=False, settings=settings)
    started.callback(cluster.stop)
    cluster.start()
    return cluster.dsn("postgres")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
