"""Points that writers move about, each with a counter that only rises; and the tiles in which they are looked for."""

from __future__ import annotations

import gzip
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mapbox_vector_tile
import psycopg

from app.layers.bounds import Bounds
from app.layers.crs import lonlat
from app.layers.grids import Grids
from app.layers.tile import Tile
from tests.servers.site import ask

from .ledger import Ledger, Point

LAYER = "public.moving"
FEATURES, WRITERS = 24, 3
WEST, SOUTH, EAST, NORTH = 9.40, 47.00, 9.64, 47.16
"""Where the points move: some tiles of zoom 12, one of zoom 6."""
GRIDS = ("WebMercatorQuad", "WorldCRS84Quad")
ZOOMS = (6, 10, 12, 14, 17)
VARIANTS = ("", "?columns=counter,kind", "?filter=kind='even'", "?buffer=0")
WRITE_S, REST_S = 2.0, 2.5
"""All write, then all rest: a tile that is wrong would be wrong for long, and is looked at while it is."""
_EDGE = 0.02
"""Part of a tile's edge within which a point may be in it or not."""


@dataclass(frozen=True)
class Asked:
    """One address, and what of the points it shows."""

    path: str
    inside: Bounds
    """Longitude and latitude: what lies in it is in the tile for certain."""
    evens: bool
    is_gzip: bool

    def has(self, feature: int, at: Point) -> bool:
        """Whether the tile must show this feature where it is at this point."""
        if self.evens and feature % 2:
            return False
        return self.inside.xmin < at[0] < self.inside.xmax and self.inside.ymin < at[1] < self.inside.ymax


def make(dsn: str, ledger: Ledger, seed: int) -> None:
    """The table with its points, and their first states in the ledger. Its changes are not followed yet."""
    source = random.Random(f"points {seed}")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.moving (id int PRIMARY KEY, counter int NOT NULL, kind text NOT NULL, geom geometry(Point, 4326) NOT NULL)"
        )
        for feature in range(FEATURES):
            at = _anywhere(source)
            state = ledger.begin(feature, 0, at, time.monotonic())
            connection.execute(
                "INSERT INTO public.moving VALUES (%s, 0, %s, ST_SetSRID(ST_MakePoint(%s, %s), 4326))",
                [feature, "even" if feature % 2 == 0 else "odd", *at],
            )
            state.done = time.monotonic()
        connection.execute("CREATE INDEX ON public.moving USING gist (geom)")


def write(
    dsn: str, ledger: Ledger, number: int, seed: int, stop: threading.Event, counted: Callable[[], None]
) -> None:
    """Move the points of one writer until told to stop: alone or several at once, some commits long after the change."""
    source = random.Random(f"writer {number} {seed}")
    mine = range(number, FEATURES, WRITERS)
    # From where a writer before it stopped: a counter never comes twice.
    counters = {feature: ledger.last(feature) for feature in mine}
    with psycopg.connect(dsn) as connection:
        while not stop.is_set():
            if time.monotonic() % (WRITE_S + REST_S) > WRITE_S:
                stop.wait(0.05)
                continue
            moved = {
                feature: _anywhere(source) for feature in source.sample(mine, source.choice((1, 1, 2, 4)))
            }
            for feature, at in moved.items():
                connection.execute(
                    "UPDATE public.moving SET counter = %s, geom = ST_SetSRID(ST_MakePoint(%s, %s), 4326) WHERE id = %s",
                    [counters[feature] + 1, *at, feature],
                )
            # Transactions that began earlier commit later than others.
            stop.wait(source.choice((0, 0, 0.02, 0.3)))
            now = time.monotonic()
            states = [ledger.begin(feature, counters[feature] + 1, at, now) for feature, at in moved.items()]
            connection.commit()
            done = time.monotonic()
            for state in states:
                state.done = done
            for feature in moved:
                counters[feature] += 1
            counted()
            stop.wait(source.uniform(0.0, 0.08))


def tiles(seed: int) -> Iterator[Asked]:
    """Addresses without end, over grids, zooms, variants and encodings: some tiles again and again."""
    source = random.Random(f"reader {seed}")
    grids = Grids()
    while True:
        # Few points, so that tiles are asked for again and come from the cache.
        at = (
            WEST + (EAST - WEST) * source.choice((0.2, 0.5, 0.8)),
            SOUTH + (NORTH - SOUTH) * source.choice((0.3, 0.7)),
        )
        name, zoom, variant = source.choice(GRIDS), source.choice(ZOOMS), source.choice(VARIANTS)
        grid = grids.get(name)
        across = 360 / (1 << zoom) / (2 if name == "WorldCRS84Quad" else 1)
        x = int((at[0] + 180) // across)
        y = _row(grids, name, zoom, x, at[1])
        box = lonlat(grid.bounds(Tile(zoom, x, y)), grid.crs)
        if box is None:
            raise ValueError(f"{name} {zoom}/{x}/{y} lies nowhere")
        inside = box.padded(-box.width * _EDGE, -box.height * _EDGE)
        place = (
            f"/tiles/{name}/{LAYER}/{zoom}/{x}/{y}"
            if name != "WebMercatorQuad"
            else f"/tiles/{LAYER}/{zoom}/{x}/{y}"
        )
        yield Asked(place + variant.replace("'", "%27"), inside, "even" in variant, source.random() < 0.5)


def shown(body: bytes) -> dict[int, int]:
    """Counters by feature, as a tile has them."""
    if not body:
        return {}
    layers = mapbox_vector_tile.decode(body)
    return {
        int(feature["id"]): int(feature["properties"]["counter"])
        for layer in layers.values()
        for feature in layer["features"]
    }


def read(url: str, asked: Asked, timeout_s: float) -> tuple[int, bytes, str]:
    """Status, body as it is after decompression, and headers. OSError and HTTPException where no answer comes."""
    answer = ask(url, asked.path, {"Accept-Encoding": "gzip"} if asked.is_gzip else None, timeout=timeout_s)
    body = gzip.decompress(answer.body) if answer.headers["Content-Encoding"] == "gzip" else answer.body
    return answer.status, body, str(answer.headers)


def _row(grids: Grids, name: str, zoom: int, x: int, latitude: float) -> int:
    """The row in which a latitude lies, found by halving: rows go from the north to the south."""
    grid = grids.get(name)
    low, high = 0, (1 << zoom) - 1
    while low < high:
        middle = (low + high) // 2
        box = lonlat(grid.bounds(Tile(zoom, x, middle)), grid.crs)
        if box is None or box.ymin > latitude:
            low = middle + 1
        else:
            high = middle
    return low


def _anywhere(source: random.Random) -> Point:
    return source.uniform(WEST, EAST), source.uniform(SOUTH, NORTH)
