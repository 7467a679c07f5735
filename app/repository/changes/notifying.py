"""NOTIFY beside the log of changes, where it is asked for: who listens reads the log at once, and each commit waits for the others."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable

from ...errors import InstallError
from . import objects

CHANNEL = "flagstone_changes"
_FUNCTION = "change_notify()"
_TRIGGER = sql.Identifier("flagstone_notify")
_MAKE = (
    "CREATE OR REPLACE FUNCTION flagstone.change_notify() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog"
    f" AS $$ BEGIN PERFORM pg_catalog.pg_notify('{CHANNEL}', ''); RETURN NULL; END $$"
)
_IS_ON = (
    "SELECT count(*) > 0 FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid AND c.relname = 'change'"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'flagstone' WHERE t.tgname = 'flagstone_notify'"
    " AND t.tgenabled = 'A'"
)


def notifies(connection: Connection[Any]) -> bool:
    """Whether each change that is written down is a NOTIFY too."""
    return bool(objects.value(connection, _IS_ON))


def switch(connection: Connection[Any], owner: str, *, on: bool) -> None:
    """Have each change be a NOTIFY, or not any more. InstallError where writers do not let go of the log for five seconds."""
    if notifies(connection) == on:
        return
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', '5s', true)")
            connection.execute(sql.SQL("DROP TRIGGER IF EXISTS {} ON flagstone.change").format(_TRIGGER))
            if not on:
                connection.execute(sql.SQL("DROP FUNCTION IF EXISTS flagstone.{}").format(sql.SQL(_FUNCTION)))
                return
            connection.execute(_MAKE)
            objects.hand_over(connection, _FUNCTION, owner)
            connection.execute(
                sql.SQL(
                    "CREATE TRIGGER {} AFTER INSERT ON flagstone.change FOR EACH STATEMENT EXECUTE FUNCTION flagstone.change_notify()"
                ).format(_TRIGGER)
            )
            # What a subscription writes is told of as well.
            connection.execute(sql.SQL("ALTER TABLE flagstone.change ENABLE ALWAYS TRIGGER {}").format(_TRIGGER))
    except LockNotAvailable as error:
        raise InstallError("The log of changes was in use for 5 seconds: whether it notifies was not changed.") from error
