"""Flagstone under gunicorn, as the demo shows it: its log in a file, and of that what a person should read."""

import http.client
import re
import subprocess
import time
from collections.abc import Mapping
from typing import NoReturn

from . import CHECKOUT, child, environment, progress

_START_SECONDS = 60.0
_PATIENCE_SECONDS = 1.0  # from the first "not ready" to the question why
_ASK_AGAIN_SECONDS = 5.0
_WARNING = re.compile(r"\S+ (?:WARNING|ERROR) \S+: (.*)")


class Server:
    """gunicorn with the production configuration; `variables` are its environment."""

    def __init__(self, host: str, port: int, variables: Mapping[str, str]) -> None:
        self.log = CHECKOUT / ".local" / f"demo-{port}.log"
        self._host = host
        self._port = port
        self._variables = {**variables, "FLAGSTONE_LOG_FORMAT": "text"}  # `warnings` reads it
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("wb") as output:
            self._process = child.start(
                [environment.PYTHON, "-m", "gunicorn", "-c", "python:app.gunicorn_conf", "wsgi:app"],
                cwd=CHECKOUT, env=self._variables, output=output,
            )  # fmt: skip

    def stop(self) -> None:
        # Longer than the configuration lets a worker finish the tile at hand.
        child.end(self._process, within_seconds=20)

    def wait(self) -> NoReturn:
        """Return never but by an exception: `progress.Failed` when gunicorn ends by itself."""
        code = self._process.wait()
        raise progress.Failed(f"gunicorn ended by itself (exit code {code}); {self._end_of_log()}")

    def wait_until_ready(self) -> bool:
        """Wait for the catalog. Raises `progress.Failed` with the reason where there will be none.

        False: it answers, and still reads a catalog that takes long.
        """
        began = time.monotonic()
        ask_why = began + _START_SECONDS
        while (status := self._readiness()) != 200:
            now = time.monotonic()
            if self._process.poll() is not None:
                raise progress.Failed(f"gunicorn did not start (exit code {self._process.returncode}); {self._end_of_log()}")
            if status == 503:
                ask_why = min(ask_why, now + _PATIENCE_SECONDS)
            if now > ask_why:
                reason = self._reason()
                if reason and self._readiness() != 200:
                    raise progress.Failed(reason)
                ask_why = time.monotonic() + _ASK_AGAIN_SECONDS
            if now > began + _START_SECONDS:
                if status == 503:
                    return False
                raise progress.Failed(f"No answer from /readyz after {_START_SECONDS:.0f} seconds; {self._end_of_log()}")
            time.sleep(0.1)
        return True

    def warnings(self) -> list[str]:
        """What the log warns of, each once: every worker says it."""
        lines = self.log.read_text(errors="replace").splitlines()
        return list(dict.fromkeys(found[1] for line in lines if (found := _WARNING.fullmatch(line))))

    def _readiness(self) -> int | None:
        """The status of /readyz; None where nobody answers."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _reason(self) -> str | None:
        """Why the database cannot be served, in the words of `flask config check`; None where it can."""
        command = [str(environment.PYTHON), "-m", "flask", "--app", "wsgi", "config", "check"]
        answer = subprocess.run(command, cwd=CHECKOUT, env=self._variables, capture_output=True, text=True)
        if answer.returncode == 0:
            return None
        lines = answer.stderr.strip().splitlines() or [self._end_of_log()]
        return lines[-1].removeprefix("Error: ")

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-12:]
        return "\n    ".join([f"its log {self.log} ends with", *lines])
