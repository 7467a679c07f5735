"""`/events` over HTTP: a stream of server-sent events for each listener (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from http import HTTPStatus
from typing import Any

from aiohttp import web

from ..backend import Backend
from ..errors import BadParameter, FlagstoneError, NotFound, Unavailable
from ..layers.identity import ANONYMOUS
from ..layers.layer import Layer
from .hub import Hub, Listener
from .messages import server_sent

MOST_LAYERS = 100
"""Layers that one listener may name."""
_MOST_LOOKING = 16
"""How many may wait for the catalog at the same time."""
_PATIENCE_S = 20.0
"""A listener that takes nothing for so long is cut off; it may come back, and hears what it missed."""
_BUFFER = 32 * 1024
"""Bytes on their way to one listener, in this process and again in the kernel, which would keep megabytes otherwise."""
_RETRY_MS = (1000, 4000)
"""When a browser comes back: not all of them at once."""


class Events:
    """The application. It needs little for each listener: a task, a short queue, and the socket's own buffer."""

    def __init__(self, backend: Backend, hub: Hub) -> None:
        self._backend = backend
        self._settings = backend.settings
        self._hub = hub
        self._looking = 0

    def application(self) -> web.Application:
        """`/events`, and `/livez` for who watches over the process."""

        @web.middleware
        async def explained(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._explained(request, handler)

        app = web.Application(middlewares=[explained])
        app.router.add_get("/events", self._events, allow_head=True)
        app.router.add_options("/events", self._options)
        app.router.add_get("/livez", self._alive)
        return app

    async def _alive(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive", "listeners": self._hub.listening})

    async def _options(self, request: web.Request) -> web.Response:
        asked = request.headers.get("Access-Control-Request-Headers", "*")
        headers = {
            "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS", "Access-Control-Allow-Headers": asked,
            "Access-Control-Max-Age": "86400", "Allow": "GET, HEAD, OPTIONS",
        }  # fmt: skip
        return web.Response(status=204, headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        layers = await self._layers(_names(request))
        if self._hub.listening >= self._settings.events_max_listeners:
            raise Unavailable("Too many are listening already.")
        response = web.StreamResponse(headers={
            "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
            # nginx would gather a page of events before it hands on the first.
            "X-Accel-Buffering": "no",
        })  # fmt: skip
        response.headers.update(self._origin(request))
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        # A page that makes its stream anew cannot send the header.
        since = request.headers.get("Last-Event-ID") or request.query.get("since")
        _keep_short(request)
        listener = self._hub.listen([layer.id for layer in layers], since)
        try:
            await response.prepare(request)
            await self._write(response, self._greeting(layers, resumed=since is not None))
            await self._stream(response, listener)
        except (ConnectionError, TimeoutError):
            # Nobody is there, or takes nothing: what the socket still holds is of no use to anybody.
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._hub.leave(listener)
        return response

    def _greeting(self, layers: list[Layer], *, resumed: bool) -> bytes:
        first, last = _RETRY_MS
        told = {"layers": [{"layer": each.id, "followed": each.follows is not None} for each in layers]}
        greeting = server_sent("listening", told, self._hub.last_id)
        if resumed:
            # What was missed comes after it, and has lower numbers.
            greeting = greeting.partition(b"\n")[2]
        return f"retry: {first + secrets.randbelow(last - first)}\n".encode() + greeting

    async def _stream(self, response: web.StreamResponse, listener: Listener) -> None:
        while True:
            lost, events = await listener.taken(self._settings.events_heartbeat_s)
            parts = [server_sent("all", {"layers": None}, self._hub.last_id)] if lost else []
            parts += [event.encoded for event in events]
            # An id alone is no event, but it moves the place from which a browser goes on.
            await self._write(response, b"".join(parts) or f"id: {self._hub.last_id}\n\n".encode())

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            await response.write(data)

    async def _layers(self, names: list[str]) -> list[Layer]:
        """The layers of these names, each once; NotFound, DatabaseDown and the like."""
        snapshot = self._backend.catalog.snapshot
        known = None if snapshot is None else [snapshot.find(name, ANONYMOUS) for name in names]
        if known is not None and all(known):
            found = [layer for layer in known if layer is not None]
        else:
            # The catalog may have to be read: not in the event loop.
            if self._looking >= _MOST_LOOKING:
                raise Unavailable("The catalog is being read; try again.")
            self._looking += 1
            try:
                found = await asyncio.to_thread(self._look_up, names)
            finally:
                self._looking -= 1
        return list({layer.id: layer for layer in found}.values())

    def _look_up(self, names: list[str]) -> list[Layer]:
        catalog = self._backend.catalog
        catalog.catalog()
        return [member.layer for name in names for member in catalog.members(name, ANONYMOUS)]

    def _origin(self, request: web.Request) -> dict[str, str]:
        """Who may read the answer from a page of another origin, as the tiles have it."""
        origins = self._settings.cors_origins
        if not origins:
            return {}
        exposed = {"Access-Control-Expose-Headers": "Retry-After, X-Request-Id"}
        if "*" in origins:
            return {"Access-Control-Allow-Origin": "*", **exposed}
        origin = request.headers.get("Origin", "")
        return {"Vary": "Origin"} | (
            {"Access-Control-Allow-Origin": origin, **exposed} if origin in origins else {}
        )

    async def _explained(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Every error is a problem document (RFC 9457), and pages of other origins may read it."""
        try:
            response: web.StreamResponse = await handler(request)
        except FlagstoneError as error:
            response = _problem(error)
        except web.HTTPException as error:
            kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            response = _document(
                HTTPStatus(error.status), "Only /events is answered here, with GET.", {}, kept
            )
        if not response.prepared:
            response.headers.update(self._origin(request))
        return response


def _keep_short(request: web.Request) -> None:
    """Bound what is on its way to somebody who does not read."""
    if request.transport is None:
        return
    if isinstance(request.transport, asyncio.WriteTransport):
        request.transport.set_write_buffer_limits(high=_BUFFER)
    made = request.transport.get_extra_info("socket")
    if made is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)


def _names(request: web.Request) -> list[str]:
    asked = request.query.getall("layers", [])
    names = [name for text in asked for name in text.split(",")]
    if not any(names):
        raise BadParameter("layers", "Name the layers to hear of: /events?layers=schema.table,schema.other.")
    if not all(names):
        raise BadParameter("layers", "layers holds an empty name between two commas.")
    if len(names) > MOST_LAYERS:
        raise BadParameter("layers", f"layers must not name more than {MOST_LAYERS}.")
    return list(dict.fromkeys(names))


def _problem(error: FlagstoneError) -> web.Response:
    if isinstance(error, NotFound):
        members = {"nearest": list(error.nearest)} if error.nearest else {}
        return _document(HTTPStatus.NOT_FOUND, str(error), members)
    if isinstance(error, BadParameter):
        return _document(HTTPStatus.BAD_REQUEST, str(error), {"parameter": error.parameter})
    detail = (
        str(error) if isinstance(error, Unavailable) else "The database cannot be served; the log says why."
    )
    return _document(
        HTTPStatus.SERVICE_UNAVAILABLE, detail, {}, {"Retry-After": str(getattr(error, "retry_after", 1))}
    )


def _document(
    status: HTTPStatus, detail: str, members: dict[str, Any], headers: dict[str, str] | None = None
) -> web.Response:
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        **members,
    }
    body = json.dumps(document, ensure_ascii=False)
    return web.Response(
        text=body, status=status, content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )  # fmt: skip
