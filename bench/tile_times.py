"""Each drawn tile in each way, in turns: bare statements, over HTTP without a cache, and out of three caches."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import psycopg

from app.layers.grids import Grids
from app.layers.identity import ANONYMOUS
from app.layers.member import Member
from app.layers.relation import RelationLayer
from app.layers.request import LayerRequest, layer_requests
from app.layers.tile import Tile
from app.repository.catalog_store import CatalogStore
from app.repository.pool import Pool
from app.repository.tiles import Tiles
from app.settings import Settings

from .drawing import DrawnTile, Place, draw
from .line import Line
from .plain import Plain
from .stand import Stand
from .turns import in_turns

PING, PLAIN, OURS, HTTP, MEMORY, REDIS, NGINX = (
    "SELECT 1 through the pool", "plain statement", "Flagstone's statement", "HTTP, no cache", "HTTP, memory cache",
    "HTTP, Redis", "HTTP, nginx",
)  # fmt: skip
LIGHT_ZOOM, LIGHT_BYTES = 12, 10_000
_WHOLE = 0.95
_POINTS = 4000


@dataclass
class TileFigures:
    """One tile: its size encoded (not compressed) and compressed, in bytes, and the median of each way, in ms."""

    tile: DrawnTile
    raw_bytes: int
    sent_bytes: int
    plain_bytes: int
    ms: dict[str, float]

    @property
    def is_light(self) -> bool:
        return self.tile.z >= LIGHT_ZOOM and self.raw_bytes < LIGHT_BYTES

    @property
    def plain_is_whole(self) -> bool:
        """Whether the plain statement gives at least 95 % of Flagstone's bytes: else it is another tile, made of fewer rows.

        It drops every line and polygon that is smaller than the tile's grid, which is most of them at low zooms. At the edge of
        the world its search box, transformed by its corners, comes out on the other side of the earth and misses most rows;
        it is quick then, and wrong, and of an empty tile nobody can tell.
        """
        at_edge = self.tile.x in (0, 2**self.tile.z - 1)
        return self.raw_bytes * _WHOLE <= self.plain_bytes and not (at_edge and self.raw_bytes == 0)

    def is_slower(self, way: str) -> bool:
        """Whether this way took more than a tenth, and more than 1 ms, longer than the plain statement."""
        more = self.ms[way] - self.ms[PLAIN]
        return more > 1.0 and more > self.ms[PLAIN] / 10


@dataclass
class TileStand:
    """Connections and servers for one run over the sample."""

    stand: Stand
    settings: Settings = field(init=False)
    lines: dict[str, Line] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._open = ExitStack()

    def __enter__(self) -> TileStand:
        dsn = self.stand.sample
        self.settings = Settings.of(DATABASE_URL=dsn, FLAGSTONE_POOL_SIZE=1)
        self._pool = Pool(self.settings)
        self._open.callback(self._pool.close)
        self._catalog = CatalogStore(self._pool, self.settings)
        self._grids = Grids()
        self._tiles = Tiles(self._pool, most_bytes=self.settings.max_tile_bytes)
        connection = psycopg.connect(dsn, autocommit=True)
        self._open.callback(connection.close)
        connection.execute("SET jit = off")
        self._plain = Plain(connection)
        self.lines[HTTP] = self._line(self.stand.gunicorn(dsn, CACHE_TYPE="NullCache").port)
        in_memory = self.stand.gunicorn(dsn, FLAGSTONE_TRUSTED_PROXIES="1")
        self.lines[MEMORY] = self._line(in_memory.port)
        if self.stand.redis_url is not None:
            with_redis = self.stand.gunicorn(dsn, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=self.stand.redis_url)
            self.lines[REDIS] = self._line(with_redis.port)
        proxy = self.stand.nginx(in_memory)
        if proxy is not None:
            self.lines[NGINX] = self._line(int(proxy.url.rpartition(":")[2]))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _line(self, port: int) -> Line:
        return self._open.enter_context(Line(port))

    def drawn(self, count: int, seed: int) -> list[DrawnTile]:
        return draw(self.places(), count, seed)

    def places(self) -> list[Place]:
        """Where the rows of each layer of the sample are, from the rows themselves."""
        found = []
        with psycopg.connect(self.stand.sample) as connection:
            for layer in self._catalog.catalog().relations:
                column, relation = psycopg.sql.Identifier(layer.geometry.name), psycopg.sql.Identifier(layer.schema, layer.name)
                rows = connection.execute(
                    psycopg.sql.SQL(
                        "SELECT round(ST_X(p)::numeric, 6), round(ST_Y(p)::numeric, 6) FROM (SELECT ST_Transform("
                        "ST_PointOnSurface({}::geometry), 4326) AS p FROM {}) AS points WHERE p IS NOT NULL"
                        " ORDER BY 1, 2 LIMIT {}"
                    ).format(column, relation, _POINTS)
                ).fetchall()
                found.append(Place(layer.id, tuple((float(x), float(y)) for x, y in rows)))
        return found

    def figures(self, tile: DrawnTile, rounds: int) -> TileFigures:
        """Read one tile in every way; RuntimeError where an answer over HTTP holds another tile than the statement's."""
        layer = self._catalog.table(tile.layer_id, ANONYMOUS)
        raw, plain, sent = self._ours(layer, tile), self._plain.read(layer, tile), b""
        for name, line in self.lines.items():
            status, sent = line.get(tile.path)
            if status not in (200, 204) or (gzip.decompress(sent) if sent else b"") != raw:
                raise RuntimeError(f"{name}: {tile.path} answered {status} with {len(sent)} bytes, not the statement's tile")
        return TileFigures(tile, len(raw), len(sent), len(plain), in_turns(self._ways(layer, tile), rounds))

    def _ways(self, layer: RelationLayer, tile: DrawnTile) -> dict[str, Callable[[], object]]:
        request, place, postgis = self._request(layer), _place(tile), self._catalog.postgis
        return {
            PING: self._pool.ping,
            PLAIN: lambda: self._plain.read(layer, tile),
            OURS: lambda: self._tiles.read(request, place, postgis),
            **{name: _getter(line, tile.path) for name, line in self.lines.items()},
        }

    def _ours(self, layer: RelationLayer, tile: DrawnTile) -> bytes:
        return self._tiles.read(self._request(layer), _place(tile), self._catalog.postgis).raw

    def _request(self, layer: RelationLayer) -> LayerRequest:
        grid = self._grids.get("WebMercatorQuad")
        return layer_requests([Member(layer.id, layer)], grid, {}, self.settings, ANONYMOUS)[0]


def _place(tile: DrawnTile) -> Tile:
    return Tile(tile.z, tile.x, tile.y)


def _getter(line: Line, path: str) -> Callable[[], object]:
    return lambda: line.get(path)


def measure(stand: TileStand, tiles: list[DrawnTile], rounds: int) -> Iterator[TileFigures]:
    """The figures of each tile. One that looks slower than plain is read again, three times as often, before it counts."""
    for tile in tiles:
        found = stand.figures(tile, rounds)
        if found.is_slower(OURS) or found.is_slower(HTTP):
            found = stand.figures(tile, rounds * 3)
        yield found
