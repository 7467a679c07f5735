"""Caches elsewhere are told what to drop: by a request to an address, or by a command."""

from __future__ import annotations

import asyncio
import json
import logging
import shlex
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from ..documents.addresses import Addresses
from .hub import Listener
from .messages import Event

log = logging.getLogger(__name__)

_TIME_S = 30.0
"""How long one attempt may take."""
_FIRST_RETRY_S = 1.0
_SLOWEST_RETRY_S = 30.0
_TRY_AGAIN = frozenset({408, 425, 429})
_REFUSED = "it refuses"
Attempt = Callable[[bytes], Awaitable[str | None]]
"""Hands it over once; says why that failed, where trying again may help."""


async def follow(listener: Listener, addresses: Addresses, attempt: Attempt) -> None:
    """Hand over what changed, in its order, again and again until it is taken; does not end.

    What gathers meanwhile is bounded: in the end it is told in a word, that everything changed.
    """
    while True:
        lost, events = await listener.taken()
        body = json.dumps(told(events, addresses, everything=lost)).encode()
        wait, failed = _FIRST_RETRY_S, False
        while (fault := await attempt(body)) is not None:
            if fault.startswith(_REFUSED):
                # The same would be refused again. In the end a word is taken: when a token is right again, say.
                body, wait = json.dumps(told([], addresses, everything=True)).encode(), _SLOWEST_RETRY_S
            if not failed:
                log.warning("the hook fails and is tried again: %s", fault)
            failed = True
            await asyncio.sleep(wait)
            wait = min(wait * 2, _SLOWEST_RETRY_S)
        if failed:
            log.info("the hook works again")


def told(events: list[Event], addresses: Addresses, *, everything: bool) -> dict[str, Any]:
    """What the hook gets: the events' own members, and how the addresses of a layer's tiles are made."""
    changes = []
    for event in events:
        change = event.told
        layer = [change["layer"]]
        changes.append(
            {**change, "addresses": [addresses.tiles(layer), addresses.tiles(layer, change["grid"])]}
        )
    return {"everything": everything, "changes": changes}


def by_request(session: ClientSession, url: str) -> Attempt:
    """POST it there. An answer of 4xx is a refusal, any other but 2xx a failure; no redirection is followed."""

    async def attempt(body: bytes) -> str | None:
        try:
            async with session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=ClientTimeout(_TIME_S),
                # What follows one asks with GET, and hands over nothing.
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except (ClientError, OSError, TimeoutError) as error:
            return type(error).__name__
        if 400 <= status < 500 and status not in _TRY_AGAIN:
            return f"{_REFUSED} what it gets: {status}"
        return None if status < 300 else f"it answers {status}"

    return attempt


def by_command(command: str) -> Attempt:
    """Run a program with it on its standard input; it succeeds with exit code 0. No shell is in between."""
    words = shlex.split(command)

    async def attempt(body: bytes) -> str | None:
        try:
            process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.PIPE)
        except OSError as error:
            return f"{words[0]}: {error.strerror}"
        try:
            async with asyncio.timeout(_TIME_S):
                await process.communicate(body + b"\n")  # what reads lines waits for the end of the last one
        except TimeoutError:
            return f"{words[0]}: not done after {_TIME_S:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return None if process.returncode == 0 else f"{words[0]}: exit code {process.returncode}"

    return attempt
