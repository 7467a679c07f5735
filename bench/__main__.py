"""scripts/bench: gets what the measurement needs, then runs it in .venv. Only the standard library."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from scripts.lib import CHECKOUT, child, environment, packages, postgres, progress

from . import options
from .fresh import options as fresh_options
from .scale import options as scale_options
from .scale import sources as scale_sources

WRK = packages.Need("wrk", ("wrk",), ("wrk",), ("wrk",), "wrk", "requests per second")
_OPTIONAL = (packages.REDIS, packages.NGINX, WRK)
_SCALE, _FRESH = "--scale", "--fresh"


def main(arguments: list[str]) -> int:
    # What is wrong is refused before anything is installed.
    scale = scale_options.read(arguments) if _SCALE in arguments else None
    is_fresh = scale is None and _FRESH in arguments
    if is_fresh:
        fresh_options.read(arguments)
    elif scale is None:
        options.read(arguments)
    child.raise_when_stopped()
    try:
        with ExitStack() as started:
            if scale is not None:
                return _measure_scale(started, arguments, scale)
            return _measure(started, arguments, is_fresh=is_fresh)
    except child.Stopped as stopped:
        return stopped.exit_code
    except progress.Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1


def _measure(started: ExitStack, arguments: list[str], *, is_fresh: bool) -> int:
    progress.say("Flagstone's benchmark of freshness" if is_fresh else "Flagstone's benchmark")
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
    if is_fresh:
        environment.make_python("requirements-dev.txt")  # what decodes tiles
    return _run(started, "bench.fresh" if is_fresh else "bench.run", arguments, own_server=own_server)


def _measure_scale(started: ExitStack, arguments: list[str], given: scale_options.Options) -> int:
    progress.say("Flagstone's benchmark of millions of rows")
    own_server = "TEST_DATABASE_URL" not in os.environ and given.database is None
    missing = packages.install([
        *([] if environment.works() else [packages.VENV]), *([packages.postgis()] if own_server else []),
        *([scale_sources.GMT] if "countries" in given.layers else []), *([packages.CHROMIUM] if given.pictures else []),
    ])  # fmt: skip
    if missing:
        raise progress.Failed(packages.sentence(missing))
    if given.pictures and (reason := environment.make_node_modules()) is not None:
        raise progress.Failed(reason)
    for requirements in ("requirements.txt", "requirements-bench.txt", *(["requirements-dev.txt"] if given.pictures else [])):
        environment.make_python(requirements)
    scale_sources.fetched()
    return _run(started, "bench.scale", arguments, own_server=own_server)


def _run(started: ExitStack, module: str, arguments: list[str], *, own_server: bool) -> int:
    variables = dict(os.environ)
    if own_server:
        # What writers pay for a log beside their rows says little where commits cost nothing.
        variables["TEST_DATABASE_URL"] = _private_server(started, durable=module == "bench.fresh")
    process = subprocess.Popen([environment.PYTHON, "-m", module, *arguments], cwd=CHECKOUT, env=variables)
    # Asked as by Ctrl-C, so that it ends the servers that it started.
    started.callback(child.end, process, 2, 30)
    return process.wait()


def _private_server(started: ExitStack, *, durable: bool) -> str:
    """A PostgreSQL as Debian configures it; without fsync where not `durable`: nothing is kept. Gives its URL."""
    # Not below the checkout: PostgreSQL's account may not enter it where this program is root.
    directory = started.enter_context(tempfile.TemporaryDirectory(prefix="flagstone-bench-", dir="/var/tmp"))
    Path(directory).chmod(0o755)
    settings = {"max_connections": "200", "wal_level": "minimal", "max_wal_senders": "0", "max_locks_per_transaction": "256"}
    cluster = postgres.Cluster(Path(directory) / "postgres", durable=durable, settings=settings)
    started.callback(cluster.stop)
    cluster.start()
    return cluster.dsn("postgres")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
