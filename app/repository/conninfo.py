"""The address of the database, as libpq reads it."""

from __future__ import annotations

import re

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ..errors import ConfigurationError
from ..settings import Settings

_DEFAULTS: dict[str, str | int] = {
    "application_name": "flagstone",
    "connect_timeout": 5,
    # A host that is gone, or a firewall that forgot the connection, is noticed within seconds and not after hours.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}


def conninfo(settings: Settings) -> str:
    """What libpq gets: the settings' own values, and a name and time limits where they give none."""
    given = settings.conninfo
    text = given.pop("conninfo", "")
    try:
        named = {**conninfo_to_dict(text), **given}
    except ProgrammingError:
        # Without its text and cause: libpq quotes what it could not read, and that may be a password.
        raise ConfigurationError("DATABASE_URL is neither a PostgreSQL URL nor a conninfo.") from None
    if not re.fullmatch(r"[\d,]*", str(named.get("port", ""))):
        raise ConfigurationError("DATABASE_URL: the port is not a number.")
    # libpq refuses a keyword that is newer than itself: tcp_user_timeout came with version 12.
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} - named.keys()
    return make_conninfo(text, **given, **{name: value for name, value in _DEFAULTS.items() if name in known})


def names_a_database(settings: Settings) -> bool:
    """Whether anybody said which database: the settings, or libpq's own PG* variables and service files."""
    if settings.conninfo:
        return True
    asked = (b"service", b"host", b"hostaddr", b"dbname")  # the port and the login have defaults of libpq's own
    return any(option.val for option in pq.Conninfo.get_defaults() if option.keyword in asked)


def names_several_servers(settings: Settings) -> bool:
    """Whether libpq may choose among several servers, so that two connections are of two of them."""
    defaults = {option.keyword.decode(): (option.val or b"").decode() for option in pq.Conninfo.get_defaults()}
    named = {**defaults, **conninfo_to_dict(conninfo(settings))}
    return any("," in str(named.get(name) or "") for name in ("host", "hostaddr"))
