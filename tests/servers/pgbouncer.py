"""PgBouncer in transaction mode, in front of the tests' PostgreSQL."""

import shutil
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from scripts.lib import child
from scripts.lib.postgres import unprivileged_user

from . import port, postgres

_CONFIGURATION = """
[databases]
* = host={host} port={target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_reset_query_always = 0
logfile = {directory}/log
"""


class PgBouncer:
    """Two server connections for all clients: what one leaves behind in its session, the next one finds."""

    def __init__(self, program: str, server_dsn: str, directory: Path) -> None:
        address = conninfo_to_dict(server_dsn)
        self._dsn = server_dsn
        self.port = port.free()
        user = unprivileged_user()
        configuration = directory / "pgbouncer.ini"
        # auth_type any: every client becomes the one user that the database line names
        text = _CONFIGURATION.format(
            host=address.get("host", "127.0.0.1"), target=address.get("port") or 5432, listen=self.port, directory=directory
        )
        configuration.write_text(text.replace("* = ", f"* = user={address.get('user', 'postgres')} "))
        log = directory / "output"
        if user is not None:
            for path in (directory, configuration):
                shutil.chown(path, user)
        with log.open("wb") as output:
            self.process = child.start([program, "-q", str(configuration)], user=user, cwd="/", output=output)  # type: ignore[arg-type]
        port.wait_for(self.port, self.process, log)

    def dsn(self, dsn: str) -> str:
        """The URL of the same database through PgBouncer."""
        return postgres.url(dsn, host="127.0.0.1", port=self.port)

    def stop(self) -> None:
        child.end(self.process)
