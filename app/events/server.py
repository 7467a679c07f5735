"""The process behind `/events`: reads the log in a thread, hands it on in an event loop."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiohttp import ClientSession, web

from ..backend import Backend
from ..documents.addresses import Addresses
from . import hook
from .hub import Hub
from .messages import Change
from .watch import Watch
from .web import Events

log = logging.getLogger(__name__)

_RENEWED_S = 0.5
"""How often it is looked whether the catalog is another one."""
_MARGIN_S = 0.2
_BACKLOG = 4096
"""Connections that wait to be accepted: after a restart all browsers come at once."""
_MOST_WAITING = 1000
"""Changes that are kept for a hook that is slow."""


def serve(
    backend: Backend, *, urls: Sequence[str] = (), commands: Sequence[str] = (), ready: Callable[[], object] = lambda: None
) -> None:  # fmt: skip
    """Serve `/events` until SIGTERM or SIGINT. Each of `urls` and `commands` gets what changed. `ready` is called once it is."""
    _allow_many_files()
    asyncio.run(_serve(backend, urls, commands, ready))


def again_s(backend: Backend) -> float:
    """After how long every worker and nginx have heard of a change, or believe nothing that is older."""
    settings = backend.settings
    return settings.changes_max_age_ms / 1000 + settings.http_followed_s_maxage_s + _MARGIN_S


async def _serve(
    backend: Backend, urls: Sequence[str], commands: Sequence[str], ready: Callable[[], object]
) -> None:  # fmt: skip
    settings = backend.settings
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    hub = Hub(queue=settings.events_queue, again_s=again_s(backend))
    hooked = Hub(queue=_MOST_WAITING, again_s=again_s(backend))

    def tell(changes: list[Change]) -> None:
        hub.tell([each.for_anybody() for each in changes])
        if urls or commands:
            hooked.tell(changes)

    watch = Watch(backend, lambda changes: _soon(loop, tell, changes))
    runner = web.AppRunner(
        Events(backend, hub).application(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
    )
    addresses = Addresses(settings.public_url or "")
    async with ClientSession() as session:
        attempts = [
            *[hook.by_request(session, url) for url in urls],
            *[hook.by_command(each) for each in commands],
        ]
        # Nobody knows what happened while this process was not there: a hook is told that first.
        endless = [hook.follow(hooked.listen(None, since="before"), addresses, each) for each in attempts]
        await runner.setup()
        try:
            await _site(runner, settings.events_bind).start()
            watch.open()
            log.info("changes are told at %s/events", settings.events_bind)
            ready()
            await _until(stop, [hub.tell_again(), hooked.tell_again(), _renew(watch, tell), *endless])
        finally:
            await asyncio.to_thread(watch.close)
            await runner.cleanup()


def _site(runner: web.AppRunner, bind: str) -> web.BaseSite:
    if bind.startswith("unix:"):
        return web.UnixSite(runner, bind.removeprefix("unix:"), backlog=_BACKLOG)
    host, _, port = bind.rpartition(":")
    return web.TCPSite(runner, host.strip("[]"), int(port), backlog=_BACKLOG)


def _soon(
    loop: asyncio.AbstractEventLoop, tell: Callable[[list[Change]], None], changes: list[Change]
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell, changes)


async def _renew(watch: Watch, tell: Callable[[list[Change]], None]) -> None:
    while True:
        if changes := await asyncio.to_thread(watch.renewed):
            tell(changes)
        await asyncio.sleep(_RENEWED_S)


async def _until(stop: asyncio.Event, work: list[Coroutine[Any, Any, None]]) -> None:
    """Do what does not end until it is to stop; raises what ended of it by itself."""
    tasks = [asyncio.create_task(stop.wait()), *map(asyncio.create_task, work)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def _allow_many_files() -> None:
    """As many open sockets as the system lets this process have without asking anybody."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
