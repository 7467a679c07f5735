"""SRIDs of columns whose type names none: from a few rows, within a time limit, and never at the price of the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from ..layers.identity import Identity
from .column_reader import column_reader
from .connection import BoundedConnection
from .pool import Pool
from .relations import Relation

_ROWS = 100
_ONE_MS = 500
_ALL_S = 5.0
_AT_ONCE = 50


class Sample(NamedTuple):
    """The SRID, or 0 and why there is none. A failed look is no answer: what was known before still holds.

    `says_none` where the rows were seen, and have SRID 0.
    """

    srid: int
    reason: str = ""
    failed: bool = False
    says_none: bool = False


Key = tuple[int, str]


class SridSamples:
    """Looks at rows of untyped columns on one connection."""

    def __init__(self, pool: Pool, connection: BoundedConnection, postgis_schema: str, login: str) -> None:
        self._pool = pool
        self._connection = connection
        self._postgis_schema = postgis_schema
        self._login = login

    def read(self, asked: Sequence[tuple[Relation, str]], before: Mapping[Key, int]) -> dict[Key, Sample]:
        """Samples by oid and column; `before` are SRIDs of an earlier time. Raises only where the connection is lost."""
        end = time.monotonic() + _ALL_S
        samples: dict[Key, Sample] = {}
        for batch in self._batches(asked):
            if time.monotonic() > end:
                found = [_failure(f"the {_ALL_S:g} s to look at rows were over")] * len(batch)
            else:
                found = self._sampled(batch)
            for (relation, column), sample in zip(batch, found, strict=True):
                key = (relation.oid, column)
                samples[key] = Sample(before[key]) if sample.failed and key in before else sample
        return samples

    def _batches(self, asked: Sequence[tuple[Relation, str]]) -> Iterator[list[tuple[Relation, str]]]:
        """Many at once as one reader; views and foreign tables alone: those run functions, and ask other servers."""
        together: dict[Identity, list[tuple[Relation, str]]] = {}
        for pair in asked:
            if pair[0].kind in ("v", "f"):
                yield [pair]
            else:
                together.setdefault(self._reader(*pair), []).append(pair)
        for same in together.values():
            for start in range(0, len(same), _AT_ONCE):
                yield same[start : start + _AT_ONCE]

    def _reader(self, relation: Relation, column: str) -> Identity:
        return column_reader(relation.readers or {}, column, self._login)

    def _sampled(self, batch: list[tuple[Relation, str]]) -> list[Sample]:
        try:
            with self._pool.transaction(self._connection, timeout_ms=_ONE_MS):
                return [_judged(srids) for srids in self._srids(batch)]
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            if len(batch) > 1:
                return [sample for pair in batch for sample in self._sampled([pair])]
            if isinstance(error, psycopg.errors.QueryCanceled):
                return [_failure(f"to look at rows took over {_ONE_MS} ms")]
            return [_failure(f"its rows cannot be read (SQLSTATE {error.sqlstate})")]

    def _srids(self, batch: list[tuple[Relation, str]]) -> list[list[int]]:
        role = self._reader(*batch[0]).role
        if role is not None:
            self._connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        arrays = sql.SQL(", ").join(self._distinct_srids(relation, column) for relation, column in batch)
        [row] = self._connection.execute(sql.SQL("SELECT {}").format(arrays), prepare=False)
        return list(row)

    def _distinct_srids(self, relation: Relation, column: str) -> sql.Composed:
        return sql.SQL(
            "ARRAY(SELECT DISTINCT {st_srid}(geometry) FROM"
            " (SELECT {column} FROM {relation} WHERE {column} IS NOT NULL LIMIT {rows}) AS sample (geometry) ORDER BY 1)"
        ).format(
            st_srid=sql.Identifier(self._postgis_schema, "st_srid"), column=sql.Identifier(column),
            relation=sql.Identifier(relation.schema, relation.name), rows=sql.Literal(_ROWS),
        )  # fmt: skip


def _failure(reason: str) -> Sample:
    return Sample(0, f"SRID unknown: its type names none, and {reason}", failed=True)


def _judged(srids: list[int]) -> Sample:
    match srids:
        case []:
            return Sample(0, "SRID unknown: its type names none, and there is no row with a geometry to learn it from")
        case [0]:
            return Sample(0, "SRID 0: its geometries do not say in which reference system they are", says_none=True)
        case [srid]:
            return Sample(srid)
    return Sample(0, f"mixed SRIDs: {', '.join(map(str, srids))}")
