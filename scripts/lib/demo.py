"""scripts/demo: from a clone to a map."""

import argparse
import fcntl
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from . import CHECKOUT, child, environment, packages, postgres, progress

_DESCRIPTION = """\
Makes .venv, finds PostgreSQL with PostGIS, loads the sample and starts gunicorn with the production
configuration on http://127.0.0.1:8081/ (PORT sets another port). Ctrl-C ends all of it.

A database named by DATABASE_URL, in the environment or in .env, is used as it is: nothing in it is changed
unless --load-sample is given. Without one, a private PostgreSQL is kept under .local/ (for root under /var/tmp),
reachable only through a Unix socket, and runs only as long as this command.
"""
_ROLE = _DATABASE = "flagstone"
_START_SECONDS = 60.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/demo", description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--load-sample", action="store_true", help="load the sample into the database of DATABASE_URL too")
    options = parser.parse_args(arguments)
    child.raise_when_stopped()
    try:
        with ExitStack() as started:  # what is started here ends here, in the opposite order
            return _serve(started, load_sample=options.load_sample)
    except child.Stopped as stopped:
        progress.say("\nStopped.")
        return stopped.exit_code
    except progress.Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1


def _serve(started: ExitStack, *, load_sample: bool) -> int:
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

    gunicorn = child.start(
        [environment.PYTHON, "-m", "gunicorn", "-c", "python:app.gunicorn_conf", "wsgi:app"],
        cwd=CHECKOUT, env=variables,
    )  # fmt: skip
    # Longer than the configuration lets a worker finish the tile at hand.
    started.callback(child.end, gunicorn, within_seconds=20)
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared
    _wait_for_answer(gunicorn, host, port)
    if without_maps:
        progress.say(f"\n  The map pages need MapLibre, everything else works. {without_maps}")
    progress.say(f"\nFlagstone is at http://{host}:{port}/ - Ctrl-C ends it.")
    code = gunicorn.wait()
    raise progress.Failed(f"gunicorn ended by itself (exit code {code}).")


def _install(needs: list[packages.Need]) -> None:
    """Raises `progress.Failed` where something is missing without which there is no demo; without Node there is one."""
    missing = packages.install(needs)
    if any(need is not packages.NODE for need in missing):
        raise progress.Failed(packages.sentence(missing))


def _private_database(started: ExitStack, variables: Mapping[str, str], *, load_sample: bool) -> str:
    """Start the cluster that belongs to this checkout, with the sample in it; gives its URL."""
    cluster = postgres.Cluster(_home())
    lock = started.enter_context((cluster.home / "lock").open("a"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise progress.Failed("scripts/demo is running already in this checkout.") from None
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
    content = _digest(CHECKOUT / "migrations_sample")
    if load_sample or not stamp.is_file() or stamp.read_text() != content:
        _load_sample({**variables, "DATABASE_URL": url})
        stamp.write_text(content)
    return url


def _home() -> Path:
    """Root may not run PostgreSQL, and the account that does may not enter a checkout below root's home."""
    if postgres.unprivileged_user() is None:
        return CHECKOUT / ".local" / "postgres"
    return Path("/var/tmp") / f"flagstone-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]}"


def _digest(folder: Path) -> str:
    """One hash over the files of a folder, so that a sample that changed is loaded again."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _load_sample(variables: Mapping[str, str]) -> None:
    progress.say("  Loading the sample")
    command = [str(environment.PYTHON), "-m", "flask", "--app", "wsgi", "sample", "load"]
    process = child.start(command, cwd=CHECKOUT, env=variables)
    try:
        if process.wait() != 0:
            raise progress.Failed("The sample could not be loaded.")
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


def _wait_for_answer(gunicorn: subprocess.Popen[bytes], host: str, port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/livez")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException) as error:
            last: object = error
        else:
            last = "another answer than 200"
        finally:
            connection.close()
        if gunicorn.poll() is not None:
            raise progress.Failed(f"gunicorn did not start (exit code {gunicorn.returncode}); its log is above.")
        if time.monotonic() > until:
            raise progress.Failed(f"No answer from /livez after {_START_SECONDS:.0f} seconds: {last}.")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
