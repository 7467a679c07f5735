"""Flagstone under gunicorn, with the configuration of production."""

import os
import sys
from pathlib import Path
from typing import Self

from scripts.lib import CHECKOUT, child

from . import port


class Gunicorn:
    """Runs `application` with nothing but the given settings; a .env of the checkout has no part in it."""

    def __init__(self, directory: Path, settings: dict[str, str], application: str = "wsgi:app", checkout: Path = CHECKOUT) -> None:
        self.port = port.free()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "gunicorn.log"
        environment = {**os.environ, "PYTHONPATH": str(checkout), "PORT": str(self.port),
                       "WEB_CONCURRENCY": "1", **settings}  # fmt: skip
        with self.log.open("ab") as output:
            self.process = child.start(
                [sys.executable, "-m", "gunicorn", "-c", "python:app.gunicorn_conf", application],
                cwd=directory, env=environment, output=output,
            )  # fmt: skip
        port.wait_for(self.port, self.process, self.log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        child.end(self.process)
