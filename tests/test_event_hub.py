"""What is kept for those who listen, come back, or are told again is bounded in bytes, not by how many changes there were."""

from __future__ import annotations

import asyncio

from app.events.hub import MOST_DUE_BYTES, MOST_KEPT_BYTES, MOST_WAITING_BYTES, Hub
from app.events.messages import Change, where_text
from app.events.places import MOST_BOXES, places
from app.layers.bounds import Bounds
from app.layers.grids import Grids

BOXES = [Bounds(5 + i / 4, 42 + i / 4, 5.001 + i / 4, 42.001 + i / 4) for i in range(MOST_BOXES)]
WHERE = where_text(places(Grids().get("WebMercatorQuad"), BOXES, 0.125), 0, 22)


def test_long_events_are_kept_as_bytes_allow() -> None:
    async def told() -> None:
        hub = Hub(queue=100_000, again_s=3600)
        slow = hub.listen(["roads"])
        before = hub.last_id
        hub.tell([Change("roads", "WebMercatorQuad", WHERE)])
        _, [event] = await slow.taken()
        size = len(event.encoded)
        times = MOST_KEPT_BYTES // size + 10
        hub.tell([Change("roads", "WebMercatorQuad", WHERE)] * times)
        assert await slow.taken() == (True, []), "more than it may hold is told in a word"
        # Who comes back after all that was kept hears that everything changed; after the last ones just those.
        assert hub.listen(["roads"], before).lost
        epoch, _, number = hub.last_id.partition("-")
        few = hub.listen(["roads"], f"{epoch}-{int(number) - 5}")
        assert (few.lost, len(few)) == (False, 5)
        assert 5 * size < MOST_WAITING_BYTES < times * size

    asyncio.run(told())


def test_more_than_may_wait_is_told_again_in_a_word() -> None:
    async def told() -> None:
        hub = Hub(queue=100_000, again_s=0.0)
        hub.tell([Change("roads", "WebMercatorQuad", WHERE)] * (MOST_DUE_BYTES // len(WHERE) + 1))
        late = hub.listen(["roads"])
        again = asyncio.create_task(hub.tell_again(0.01))
        assert await late.taken(20.0) == (True, [])
        # And after that each change by itself.
        hub.tell([Change("roads", "WebMercatorQuad", WHERE)])
        heard: list[bool] = []
        while len(heard) < 2:
            _, events = await late.taken(20.0)
            heard += [event.told["again"] for event in events]
        again.cancel()
        assert heard == [False, True]

    asyncio.run(told())
