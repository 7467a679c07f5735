"""The database: how to connect to it, the pool of connections, and how long its answers are waited for."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr

from .declaration import Part, names

SILENCE_S = 2.0
"""How long after a statement's time limit an answer of the database is waited for. Then the connection is given up."""


class DatabaseSettings(Part):
    """Its address by our name, by TiMVT's, or by libpq's own, and what one worker takes of it."""

    database_url: SecretStr | None = Field(
        None, alias="DATABASE_URL",
        description="PostgreSQL URL or conninfo. Without it POSTGRES_*, then libpq's own PG* variables and service files.")
    postgres_user: str | None = Field(None, alias="POSTGRES_USER", description="Login, where DATABASE_URL is not set.")
    postgres_pass: SecretStr | None = Field(None, alias="POSTGRES_PASS", description="Password of that login.")
    postgres_host: str | None = Field(None, alias="POSTGRES_HOST", description="Host name or socket directory.")
    postgres_port: int | None = Field(None, ge=1, le=65535, alias="POSTGRES_PORT", description="Port.")
    postgres_dbname: str | None = Field(None, alias="POSTGRES_DBNAME", description="Database.")
    pool_size: int | None = Field(
        None, ge=1, le=1000, validation_alias=names("FLAGSTONE_POOL_SIZE", "DB_MAX_CONN_SIZE"),
        description="Database connections of one worker. Default: as many as it has threads.")
    pool_min_size: int = Field(
        1, ge=0, le=1000, validation_alias=names("FLAGSTONE_POOL_MIN_SIZE", "DB_MIN_CONN_SIZE"),
        description="Connections that a worker keeps open when it has nothing to do.")
    pool_max_idle_s: float = Field(
        300.0, ge=1, validation_alias=names("FLAGSTONE_POOL_MAX_IDLE_S", "DB_MAX_INACTIVE_CONN_LIFETIME"),
        description="Seconds after which an unused connection above that number is closed.")
    pool_timeout_ms: int = Field(
        2000, ge=1, alias="FLAGSTONE_POOL_TIMEOUT_MS", description="How long a request waits for a connection, milliseconds.")
    pool_max_waiting: int = Field(
        100, ge=1, alias="FLAGSTONE_POOL_MAX_WAITING", description="Requests that may wait for a connection; more get a 503 at once.")
    statement_timeout_ms: int = Field(
        10_000, ge=1, alias="FLAGSTONE_STATEMENT_TIMEOUT_MS", description="How long one tile's query may run, milliseconds.")
    transaction_pooling: bool = Field(
        False, alias="FLAGSTONE_TRANSACTION_POOLING",
        description="The database is behind PgBouncer in transaction mode: settings per transaction, nothing prepared.")
    admin_database_url: SecretStr | None = Field(
        None, alias="FLAGSTONE_ADMIN_DATABASE_URL",
        description="PostgreSQL URL of a login that may create things, for commands that change the database; no tile uses it.")
    overview_memory_mb: int = Field(
        128, ge=4, le=65_536, alias="FLAGSTONE_OVERVIEW_MEMORY_MB",
        description="Memory for one sort of a build of overviews, megabytes (PostgreSQL's work_mem).")

    @property
    def conninfo(self) -> dict[str, Any]:
        """Keywords for libpq; empty where libpq shall look at PG* and service files itself."""
        if self.database_url is not None:
            return {"conninfo": self.database_url.get_secret_value()}
        given = {
            "user": self.postgres_user, "host": self.postgres_host, "port": self.postgres_port, "dbname": self.postgres_dbname,
            "password": self.postgres_pass.get_secret_value() if self.postgres_pass else None,
        }  # fmt: skip
        return {keyword: value for keyword, value in given.items() if value is not None}

    @property
    def tile_limit_s(self) -> float:
        """Seconds for making a tile, all its layers together: a wait for a connection, and one statement's time limit."""
        return (self.pool_timeout_ms + self.statement_timeout_ms) / 1000

    @property
    def longest_tile_s(self) -> float:
        """Seconds after which a tile's request has its answer, also where the database says nothing."""
        return self.tile_limit_s + SILENCE_S
