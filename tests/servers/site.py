"""Flagstone's own nginx files in front of a gunicorn, and requests to them that add nothing by themselves."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from . import port
from .gunicorn import Gunicorn
from .nginx import Nginx

DEPLOY = Path(__file__).parents[2] / "deploy"
SITE = "maps.example.org"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def kept(self) -> str | None:
        """What nginx says of its cache: MISS, HIT, …; None where it has not looked."""
        found: str | None = self.headers["X-Cache-Status"]
        return found

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", timeout: float = 20) -> Answer:
    """One request as it is written here: nothing is added but a Host where there is none."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request(method, path, headers={"Host": SITE, **(headers or {})})
        answer = connection.getresponse()
        return Answer(answer.status, answer.msg, answer.read())
    finally:
        connection.close()


def configuration(app_port: int, listen: int, *changes: tuple[str, str], with_prefix: bool = False) -> str:
    """deploy/nginx.conf for ports and places of this machine; RuntimeError where it has no such line any more."""
    text = (DEPLOY / "nginx.conf").read_text()
    if with_prefix:
        text = text[: text.index("\nserver {")] + "\n" + (DEPLOY / "nginx-prefix.conf").read_text()
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{listen};"),
        ("server 127.0.0.1:8081;", f"server 127.0.0.1:{app_port};"),
        ("proxy_cache_path /var/cache/nginx/flagstone", "proxy_cache_path cache"),
        ("access_log /var/log/nginx/access.log", "access_log flagstone.log"),
        ("include flagstone-proxy.conf;", f"include {DEPLOY}/nginx-proxy.conf;"),
        *changes,
    ):
        if old not in text:
            raise RuntimeError(f"deploy/nginx.conf no longer has {old!r}")
        text = text.replace(old, new)
    return text


class Proxy:
    """Starts nginx with the files of deploy/, their ports and places changed, and lines where a test asks for it."""

    def __init__(self, start: Callable[[str, int], Nginx]) -> None:
        self._start = start

    def __call__(self, app: Gunicorn, *changes: tuple[str, str], with_prefix: bool = False) -> Nginx:
        listen = port.free()
        return self._start(configuration(app.port, listen, *changes, with_prefix=with_prefix), listen)
