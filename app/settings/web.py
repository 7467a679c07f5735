"""What clients see of the server, and what it listens on and logs."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from .declaration import Part, Words, names

_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+")


class WebSettings(Part):
    """Addresses, proxies, origins, log lines."""

    name: str = Field("Flagstone", validation_alias=names("FLAGSTONE_NAME", "TIMVT_NAME"), description="Title of the catalog page.")
    public_url: str | None = Field(
        None, alias="FLAGSTONE_PUBLIC_URL", description="Address under which clients reach Flagstone; wins over every header.")
    trusted_proxies: int = Field(
        0, ge=0, le=10, alias="FLAGSTONE_TRUSTED_PROXIES",
        description="Proxies in front whose X-Forwarded-* headers are believed.")
    cors_origins: Words = Field(
        ("*",), validation_alias=names("FLAGSTONE_CORS_ORIGINS", "TIMVT_CORS_ORIGINS"),
        description="Origins that browsers may call from, comma-separated; `*` is all, empty is none.")
    node_modules: str | None = Field(
        None, alias="FLAGSTONE_NODE_MODULES", description="Folder that holds maplibre-gl. Default: node_modules of the checkout.")
    log_format: Literal["text", "json"] = Field("text", alias="FLAGSTONE_LOG_FORMAT", description="`text` or `json` log lines.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="FLAGSTONE_LOG_LEVEL", description="Least severe log lines that are written.")

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url.rstrip("/") if url else None


    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is neither * nor like https://maps.example.org")
        return value


class ProcessSettings(Part):
    """gunicorn's settings, by its names where it has one."""

    bind: str = Field("127.0.0.1", alias="FLAGSTONE_BIND", description="Address on which gunicorn listens, or `unix:/path`.")
    port: int = Field(8081, ge=1, le=65535, alias="PORT", description="Port on which gunicorn listens.")
    web_concurrency: int = Field(2, ge=1, le=256, alias="WEB_CONCURRENCY", description="gunicorn's worker processes.")
    threads: int = Field(16, ge=1, le=256, alias="FLAGSTONE_THREADS", description="Threads of one worker.")
