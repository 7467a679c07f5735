"""scripts/demo: from a clone to a map."""

import argparse
import fcntl
import hashlib
import os
import shlex
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from . import CHECKOUT, child, environment, packages, postgres, progress
from .server import Server

_DESCRIPTION = """\
Makes .venv, finds PostgreSQL with PostGIS, loads the sample with its overviews and triggers and starts gunicorn with the
production configuration on http://127.0.0.1:8081/ (PORT sets another port). Ctrl-C ends all of it. The log is in .local/.

A database named by DATABASE_URL, in the environment or in .env, is used as it is: nothing in it is changed
unless --load-sample is given. Without one, a private PostgreSQL is kept under .local/ (for root under /var/tmp),
reachable only through a Unix socket, and runs only as long as this command; for `flask catalog list` and the
other commands the line that names it is shown.
"""
_ROLE = _DATABASE = "flagstone"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/demo", description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--load-sample", action="store_true", help="load the sample into the database of DATABASE_URL too")
    options = parser.parse_args(arguments)
    child.raise_when_stopped()
    try:
        with ExitStack() as started:  # what is started here ends here, in the opposite order
            _serve(started, load_sample=options.load_sample)
    except child.Stopped as stopped:
        progress.say("\nStopped.")
        return stopped.exit_code
    except progress.Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1


def _serve(started: ExitStack, *, load_sample: bool) -> NoReturn:
    progress.say("Flagstone demo")
    # A database in .env or in libpq's variables is known only when .venv is there; then PostgreSQL is one too many.
    wanted = [] if "DATABASE_URL" in os.environ or (CHECKOUT / ".env").exists() else [packages.postgis()]
    _install([*([] if environment.works() else [packages.VENV]), *wanted,
              *([] if environment.have_node_modules() else [packages.NODE])])  # fmt: skip
    environment.make_python("requirements.txt")
    named, bind, port = environment.database_and_port()
    host = "127.0.0.1" if bind.startswith("unix:") else bind
    _refuse_taken(host, port)

    if not named:
        _install([packages.postgis()])
    without_maps = environment.make_node_modules()

    variables = {**os.environ, "FLAGSTONE_BIND": host, "PORT": str(port)}
    if named:
        if load_sample:
            _load_sample(variables)
    else:
        variables["DATABASE_URL"] = _private_database(started, variables, load_sample=load_sample)

    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared
    progress.say("  Starting gunicorn")
    server = Server(host, port, variables)
    started.callback(server.stop)
    ready = server.wait_until_ready()
    if without_maps:
        progress.say(f"\n  The map pages need MapLibre, everything else works. {without_maps}")
    for warning in server.warnings():
        progress.say(f"\n  Warning: {warning}")
    # The address comes last, so that nothing pushes it off the screen.
    progress.say(f"\n  The log is {server.log}.")
    if not ready:
        progress.say("  The catalog is still being read.")
    if not named:
        progress.say(_for_commands(variables["DATABASE_URL"]))
    progress.say(f"\nFlagstone is at http://{host}:{port}/ - Ctrl-C ends it.")
    server.wait()


def _for_commands(url: str) -> str:
    """What to paste into another terminal, for as long as the demo runs."""
    programs = shlex.quote(str(environment.PYTHON.parent))
    return (
        "  For commands such as 'flask catalog list', in another terminal:\n"
        f"    cd {shlex.quote(str(CHECKOUT))}\n"
        f'    export PATH={programs}:"$PATH"\n'
        f"    export DATABASE_URL={shlex.quote(url)}"
    )


def _install(needs: list[packages.Need]) -> None:
    """Raises `progress.Failed` where something is missing without which there is no demo; without Node there is one."""
    missing = packages.install(needs)
    if any(need is not packages.NODE for need in missing):
        raise progress.Failed(packages.sentence(missing))


def _private_database(started: ExitStack, variables: Mapping[str, str], *, load_sample: bool) -> str:
    """Start the cluster that belongs to this checkout, with the sample in it; gives its URL."""
    cluster = postgres.Cluster(_home())
    lock = started.enter_context((cluster.home / "lock").open("a+"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise progress.Failed(
            f"scripts/demo is running already in this checkout. End it with Ctrl-C in its terminal or with "
            f"'kill {lock.read().strip()}', or start this one in another checkout, which has a database of its own."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    started.callback(cluster.stop)
    progress.say("  Starting a private PostgreSQL")
    cluster.start()
    # The login owns the database and is no superuser: a demo that row security does not apply to would mislead.
    if not cluster.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{_ROLE}'"):
        cluster.sql(f"CREATE ROLE {_ROLE} LOGIN")
    if not cluster.sql(f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'"):
        cluster.sql(f"CREATE DATABASE {_DATABASE} OWNER {_ROLE}")
    cluster.sql("CREATE EXTENSION IF NOT EXISTS postgis", _DATABASE)
    url = cluster.dsn(_DATABASE, _ROLE)
    stamp = cluster.home / "sample.sha256"
    # Another Flagstone may build overviews in another way.
    content = _digest(CHECKOUT / "migrations_sample", CHECKOUT / "app" / "layers" / "overview.py")
    if load_sample or not stamp.is_file() or stamp.read_text() != content:
        _load_sample({**variables, "DATABASE_URL": url})
        _build_overviews({**variables, "DATABASE_URL": url})
        _follow_changes({**variables, "DATABASE_URL": url})
        stamp.write_text(content)
    return url


def _home() -> Path:
    """Root may not run PostgreSQL, and the account that does may not enter a checkout below root's home."""
    if postgres.unprivileged_user() is None:
        return CHECKOUT / ".local" / "postgres"
    return Path("/var/tmp") / f"flagstone-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]}"


def _digest(*places: Path) -> str:
    """One hash over files, and those in folders, so that a sample that changed is loaded again."""
    digest = hashlib.sha256()
    for place in places:
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _load_sample(variables: Mapping[str, str]) -> None:
    progress.say("  Loading the sample")
    _flask(variables, "sample", "load", failed="The sample could not be loaded.")


def _follow_changes(variables: Mapping[str, str]) -> None:
    progress.say("  Following changes of the sample")
    _flask(variables, "changes", "install", "--all", failed="The triggers of the sample could not be installed.")


def _build_overviews(variables: Mapping[str, str]) -> None:
    progress.say("  Building overviews for its low zooms")
    _flask(variables, "overviews", "build", "--all", failed="The overviews of the sample could not be built.")


def _flask(variables: Mapping[str, str], *command: str, failed: str) -> None:
    process = child.start([str(environment.PYTHON), "-m", "flask", "--app", "wsgi", *command], cwd=CHECKOUT, env=variables)
    try:
        if process.wait() != 0:
            raise progress.Failed(failed)
    finally:
        child.end(process)


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        # As gunicorn does: connections of the last run that are still closing do not hold the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise progress.Failed(
                f"Port {port} of {host} cannot be used ({error.strerror}): "
                f"end the program that uses it, or choose another port, as in 'PORT={port + 1} scripts/demo'."
            ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
