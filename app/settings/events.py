"""Live maps: where `flask changes serve` listens, and what it bears."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from .declaration import Part


class EventSettings(Part):
    """The process that tells maps what changed, and where maps find it."""

    events_url: str | None = Field(
        None,
        alias="FLAGSTONE_EVENTS_URL",
        description="Where maps hear of changes: /events behind the same proxy, or a whole address. Default: they do not listen.",
    )
    events_bind: str = Field(
        "127.0.0.1:8082",
        alias="FLAGSTONE_EVENTS_BIND",
        description="Address and port on which `flask changes serve` listens, or `unix:/path`.",
    )
    events_max_listeners: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        alias="FLAGSTONE_EVENTS_MAX_LISTENERS",
        description="How many may listen at the same time; who comes then gets 503.",
    )
    events_queue: int = Field(
        64,
        ge=1,
        le=10_000,
        alias="FLAGSTONE_EVENTS_QUEUE",
        description="Events kept for a listener that is slow; beyond them it is told that everything changed.",
    )
    events_heartbeat_s: int = Field(
        15,
        ge=1,
        le=600,
        alias="FLAGSTONE_EVENTS_HEARTBEAT_S",
        description="How often a listener hears that the line is alive, seconds.",
    )

    @field_validator("events_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"(https?://[^\s/?#;,'\"]+)?/[^\s?#;,'\"]*", url):
            raise ValueError(
                "must be a path like /events, or a whole address with http:// or https:// and a path"
            )
        return url

    @field_validator("events_bind")
    @classmethod
    def _can_be_bound(cls, bind: str) -> str:
        host, colon, port = bind.rpartition(":")
        is_socket = bind.startswith("unix:/")
        if not is_socket and not (
            host and colon and port.isascii() and port.isdigit() and 0 < int(port) <= 65535
        ):
            raise ValueError("must be an address and a port like 127.0.0.1:8082, or unix:/path")
        return bind
