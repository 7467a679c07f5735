"""Which layers have rows beyond the edges of their world: longitudes of 180 to 360, or x beyond 20,037,508 m.

Their tiles are looked for in more places, which an ordinary table must not pay for. So it is asked once in a while, by a
query that a spatial index answers in a fraction of a millisecond. Functions and statements cannot be asked without being
run; what they return is always looked at as if it reached beyond: their statements are a little longer to plan.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from psycopg import sql

from ..errors import FlagstoneError, TileTimeout
from ..layers.band_layer import BandLayer
from ..layers.identity import Identity
from ..layers.layer import RowLayer
from ..layers.relation import RelationLayer
from ..layers.world import world
from .identifier import identifier
from .pool import Pool, read_only
from .postgis import PostGIS

log = logging.getLogger(__name__)

_GOOD_FOR_S = 60.0
_TIMES_ITS_COST = 200
"""What took a second, because there is no index, is believed for some minutes."""
_AFTER_TIMEOUT_S = 600.0
_SLOW_S = 0.1
"""What takes longer is not asked after each change."""
_MOST_REMEMBERED = 20_000

Stamp = Callable[[], str | None]
"""Gives a word for all rows of a layer, another one after each change; "" where nothing tells of changes, None in doubt."""


def unstamped() -> str:
    """Of a layer whose changes nothing tells."""
    return ""


class _Answer(NamedTuple):
    reaches: bool
    good_until: float


class FarRows:
    """Remembers for a minute what the database said. Safe for threads: at worst two ask the same."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._answers: dict[tuple[str, str, Identity, str], _Answer] = {}
        self._slow: set[tuple[str, str]] = set()

    def of(self, layer: RowLayer, identity: Identity, postgis: PostGIS, until: float, stamp: Stamp = unstamped) -> bool:
        """Whether the layer has a row, for this identity, that reaches beyond the edge of its world.

        Where the answer takes long, or there is nothing to ask, it is yes: tiles are right then, if slower. A tile that is
        kept until the layer changes needs the answer of now.
        """
        whole = world(layer.geometry.crs)
        if whole is None or layer.geometry.is_geography or isinstance(layer, BandLayer):
            return False
        if not isinstance(layer, RelationLayer):
            return True
        word = stamp()
        if word != "" and (layer.id, layer.digest) in self._slow:
            return True
        key = (layer.id, layer.digest, identity, word or "")
        known = self._answers.get(key) if word is not None else None
        now = time.monotonic()
        if known is not None and now < known.good_until:
            return known.reaches
        reaches = self._asked(layer, identity, postgis, until)
        if reaches is None:
            return known is not None and known.reaches
        if len(self._answers) >= _MOST_REMEMBERED:
            self._answers.clear()
        if reaches and (known is None or not known.reaches):
            log.info("layer %s has rows beyond the edge of its world; they are drawn where they belong", layer.id)
        cost = time.monotonic() - now
        if cost > _SLOW_S:
            if len(self._slow) >= _MOST_REMEMBERED:
                self._slow.clear()
            self._slow.add((layer.id, layer.digest))
        if word is None:
            return reaches
        self._answers[key] = _Answer(reaches, now + min(max(_GOOD_FOR_S, cost * _TIMES_ITS_COST), _AFTER_TIMEOUT_S))
        return reaches

    def _asked(self, layer: RelationLayer, identity: Identity, postgis: PostGIS, until: float) -> bool | None:
        """None where the database did not say; the tile's own statement, which comes next, explains that."""
        try:
            # No time limit of its own: that would take a transaction, whose ROLLBACK makes psycopg forget what is
            # prepared on the connection.
            with read_only(
                self._pool, identity, f"layer {layer.id}", runs_code=layer.runs_code, until=until
            ) as connection:
                row = connection.execute(question(layer, postgis), prepare=False).fetchone()
        except TileTimeout:
            return True
        except FlagstoneError:
            return None
        return bool(row and row[0])


def question(layer: RelationLayer, postgis: PostGIS) -> sql.Composed:
    """The statement that says whether a relation has a row beyond the edge of its world."""
    whole = world(layer.geometry.crs)
    boxes = () if whole is None else whole.beyond()
    column, schema = sql.SQL("source.{}").format(identifier(layer.geometry.name)), identifier(postgis.schema)
    # In the order of distance, because only an index has that at hand. In any order the planner would hope to meet such
    # a row soon and read the whole table.
    looks = [
        sql.SQL("(SELECT true FROM {t} AS source WHERE {c} OPERATOR({s}.&&) {box} ORDER BY {c} OPERATOR({s}.<#>) {box} LIMIT 1)").format(
            t=identifier(layer.schema, layer.name), c=column, s=schema,
            box=sql.SQL("{}.ST_MakeEnvelope({})").format(
                schema, sql.SQL(", ").join(map(sql.Literal, (*box.as_list(), layer.geometry.crs.srid)))
            ),
        )
        for box in boxes
    ]  # fmt: skip
    return sql.SQL("SELECT COALESCE({}, false)").format(sql.SQL(", ").join(looks))
