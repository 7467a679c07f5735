"""The test stand: databases and servers, started when they are first needed and ended together."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from app.repository import sample
from scripts.lib import CHECKOUT, packages
from tests.servers import port
from tests.servers.gunicorn import Gunicorn
from tests.servers.nginx import Nginx
from tests.servers.postgres import DatabaseServer
from tests.servers.redis import RedisServer
from tests.servers.site import configuration

from . import tables


class Stand:
    """Everything runs on this machine, over its loopback interface or a Unix socket."""

    def __init__(self, dsn: str) -> None:
        self._started = ExitStack()
        self._root = Path(self._started.enter_context(tempfile.TemporaryDirectory(prefix="flagstone-bench-", dir="/var/tmp")))
        self._server = DatabaseServer(dsn)
        self._started.callback(self._server.close)
        self._directories = 0
        self._with_tables: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._started.close()

    @cached_property
    def sample(self) -> str:
        """URL of a database with the sample."""
        dsn = self.fresh()
        sample.load(dsn)
        _vacuum(dsn)
        return dsn

    def with_tables(self, count: int) -> str:
        """URL of a database with so many small tables; the same one each time."""
        dsn = self._with_tables.get(count)
        if dsn is None:
            dsn = self._with_tables[count] = self.fresh()
            tables.make(dsn, count)
            _vacuum(dsn)
        return dsn

    def fresh(self) -> str:
        """URL of a new database with PostGIS and nothing in it."""
        dsn = self._server.create()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        return dsn

    def directory(self) -> Path:
        """An empty directory for what a server writes; two levels below ours, which nginx's account must enter."""
        self._directories += 1
        made = self._root / "servers" / str(self._directories)
        made.mkdir(parents=True)
        return made

    def gunicorn(self, dsn: str, application: str = "wsgi:app", **settings: str) -> Gunicorn:
        """Flagstone, or another application, under the configuration of production."""
        return self._gunicorn({"DATABASE_URL": dsn, **settings}, application, CHECKOUT)

    def gunicorn_of(self, checkout: Path, dsn: str, **settings: str) -> Gunicorn:
        """Flagstone as it is in another directory."""
        return self._gunicorn({"DATABASE_URL": dsn, **settings}, "wsgi:app", checkout)

    def _gunicorn(self, settings: dict[str, str], application: str, checkout: Path) -> Gunicorn:
        running = Gunicorn(self.directory(), {"FLAGSTONE_LOG_LEVEL": "WARNING", **settings}, application, checkout)
        self._started.callback(running.stop)
        return running

    @cached_property
    def redis_url(self) -> str | None:
        """None where there is no redis-server."""
        program = packages.which("redis-server")
        if program is None:
            return None
        running = RedisServer(program, self.directory())
        self._started.callback(running.stop)
        return running.url

    def nginx(self, app: Gunicorn) -> Nginx | None:
        """nginx with deploy/nginx.conf in front of `app`, its ports and places changed; None where there is none."""
        program = packages.which("nginx")
        if program is None:
            return None
        listen = port.free()
        text = configuration(app.port, listen)
        return self._nginx(program, text, listen)

    def ceiling(self, size: int) -> Nginx | None:
        """nginx that answers with so many bytes out of its configuration: what it and the client can do at most."""
        program = packages.which("nginx")
        if program is None:
            return None
        listen = port.free()
        answer = f'return 200 "{"." * size}";'
        return self._nginx(program, f"server {{ listen 127.0.0.1:{listen}; access_log off; location / {{ {answer} }} }}", listen)

    def _nginx(self, program: str, http: str, listen: int) -> Nginx:
        # As Debian's own nginx.conf has it.
        running = Nginx(program, http, listen, self.directory(), workers="auto")
        self._started.callback(running.stop)
        return running


def _vacuum(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
