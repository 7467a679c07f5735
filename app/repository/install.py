"""Puts functions of a file into schema `flagstone`, once, with the admin login: all of the file or nothing.

The server never does this. What is in that schema is there to be served: `discovery` makes layers of its functions and
never of its tables.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.errors import InvalidFunctionDefinition

from ..errors import ConfigurationError, InstallError
from ..settings import Settings
from . import own_schema
from .conninfo import conninfo
from .own_schema import SCHEMA
from .sql_script import first_words, replacing, statements
from .sql_text import BadSql
from .statements import statement

_ALLOWED = (("create", "function"), ("create", "or", "replace", "function"), ("comment", "on", "function"))


_DROP = re.compile(r"DROP FUNCTION .*\)", re.DOTALL)


class Installed(NamedTuple):
    """A function that is in the database now, and the login that may execute it."""

    name: str
    arguments: str
    login: str


def install(settings: Settings, file: str, text: str) -> list[Installed]:
    """Put the functions of a file's text into the database; gives each of them.

    ConfigurationError without an admin URL; InstallError (nothing was changed then), with what the database said as a
    note for the terminal; DatabaseDown.
    """
    if settings.admin_database_url is None:
        raise ConfigurationError(
            "FLAGSTONE_ADMIN_DATABASE_URL is not set: the login that serves tiles need not be able to create anything."
        )
    wanted = _wanted(file, text)
    serving = _serving_login(settings)
    drops: dict[int, str] = {}
    with own_schema.connection(settings.admin_database_url.get_secret_value(), "FLAGSTONE_ADMIN_DATABASE_URL") as connection:
        while True:
            try:
                with own_schema.explained(file), connection.transaction():
                    made = _run(connection, file, wanted, drops)
                    _grant(connection, made, serving)
            except _CannotReplace as error:
                drops[error.place] = error.drop
            else:
                return [Installed(f"{schema}.{name}", arguments, serving) for schema, name, arguments in made]


class _CannotReplace(Exception):
    """CREATE OR REPLACE cannot change what a function returns, or how its arguments are called."""

    def __init__(self, place: int, drop: str) -> None:
        self.place = place
        self.drop = drop


def _wanted(file: str, text: str) -> list[str]:
    """The statements, each of which may be run."""
    try:
        found = statements(text)
    except BadSql as error:
        raise InstallError(f"{file}: {error}.") from error
    for each in found:
        words = tuple(first_words(each))
        if not any(words[: len(allowed)] == allowed for allowed in _ALLOWED):
            raise InstallError(
                f"{file} holds {' '.join(words[:2]).upper() or 'something else'}; only CREATE FUNCTION and"
                " COMMENT ON FUNCTION are installed. Nothing was changed."
            )
    return [replacing(each) for each in found]


def _serving_login(settings: Settings) -> str:
    """The login that serves tiles, as the database knows it."""
    with own_schema.connection(conninfo(settings), "DATABASE_URL") as connection, own_schema.explained("the serving login"):
        row = connection.execute("SELECT session_user").fetchone()
    return str(row[0]) if row else ""


def _run(connection: psycopg.Connection, file: str, wanted: list[str], drops: dict[int, str]) -> list[tuple[str, str, str]]:
    """Run the statements, before some of which a function is dropped; gives schema, name and arguments of each function.

    Without savepoints: by the number of the transaction the functions are known that it made.
    """
    own_schema.prepare(connection)
    connection.execute(statement("install_path"), prepare=False)
    for place, each in enumerate(wanted):
        if place in drops:
            connection.execute(drops[place].encode())
        try:
            connection.execute(each.encode())
        except InvalidFunctionDefinition as error:
            # The hint names the function, quoted, in whatever language the server speaks.
            named = _DROP.search(error.diag.message_hint or "")
            if named is None or place in drops:
                raise
            raise _CannotReplace(place, named.group()) from error
    made = connection.execute(statement("new_functions"), prepare=False).fetchall()
    if not made:
        raise InstallError(f"{file} creates no function. Nothing was changed.")
    for schema, name, _arguments in made:
        if schema != SCHEMA:
            raise InstallError(
                f"{file} names the schema {schema} for {name}; without a schema its functions go into {SCHEMA}."
                " Nothing was changed."
            )
    return [(schema, name, arguments) for schema, name, arguments in made]


def _grant(connection: psycopg.Connection, made: list[tuple[str, str, str]], login: str) -> None:
    role = sql.Identifier(login)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA flagstone TO {}").format(role))
    for schema, name, arguments in made:
        # The arguments are PostgreSQL's own writing of them.
        function = sql.SQL("{}({})").format(sql.Identifier(schema, name), sql.SQL(arguments))
        connection.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, role))
