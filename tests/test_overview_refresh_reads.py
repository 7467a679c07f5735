"""How often a refresh looks at the rows of a layer: once each, whatever they lie in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.repository.overviews import blocks
from app.repository.overviews.dirty import Dirty
from app.repository.overviews.registry import remembered
from app.repository.overviews.trace import Trace
from tests.overview_refreshes import Kept, assert_equals_a_build, kept
from tests.test_overview_refresh import POINTS, loaded

VIEW = "CREATE VIEW public.seen AS SELECT id, name, people, geom FROM public.places"
FILLED = "CREATE MATERIALIZED VIEW public.seen AS SELECT * FROM public.places; CREATE UNIQUE INDEX ON public.seen (id)"
COPY = "INSERT INTO public.seen SELECT id, geom FROM public.places"
SPHERE = (
    f"CREATE TABLE public.seen (id int PRIMARY KEY, geom geography(Point, 4326)); {COPY};"
    " CREATE INDEX ON public.seen USING gist (geom)"
)
BARE = f"CREATE TABLE public.seen (id int PRIMARY KEY, geom geometry(Point, 4326)); {COPY}"
PARTED = (
    "CREATE TABLE public.seen (id int PRIMARY KEY, geom geometry(Point, 4326)) PARTITION BY RANGE (id);"
    "CREATE TABLE public.low PARTITION OF public.seen FOR VALUES FROM (0) TO (1000);"
    "CREATE TABLE public.high PARTITION OF public.seen FOR VALUES FROM (1000) TO (100000);"
    "CREATE INDEX ON public.low USING gist (geom); INSERT INTO public.seen SELECT id, geom FROM public.places"
)
SOURCES = {
    "a view": VIEW,
    "a materialized view": FILLED,
    "a geography": SPHERE,
    "a table without an index": BARE,
    "an index over three dimensions": BARE + "; CREATE INDEX ON public.seen USING gist (geom gist_geometry_ops_nd)",
    "an index of some rows": BARE + "; CREATE INDEX ON public.seen USING gist (geom) WHERE id < 9",
    "a part without an index": PARTED,
}


def looked_at(plan: dict[str, Any]) -> Iterator[int]:
    """Rows, or pairs of rows, that each step of a plan looked at and left out."""
    loops = plan["Actual Loops"]
    yield plan["Actual Rows"] * loops
    yield sum(plan.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Join Filter", "Index Recheck")) * loops
    for each in plan.get("Plans", ()):
        yield from looked_at(each)


def most_looked_at(made: Kept) -> tuple[int, int]:
    """Dirty blocks, and the most rows that a step of reading the rows in these looked at."""
    there, connection = made.target, made.connection
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = connection.execute("SELECT max(overview) FROM flagstone.overview_band").fetchone()
        known = remembered(connection, row[0], "blocks") if row else None
        assert row and known
        table = f"overview_{row[0]}_blocks"
        trace = Trace.of(connection, there).since(known)
        assert trace
        dirty = Dirty(connection, there, table, blocks.read(table, known), trace)
        count = dirty.count()
        explained = connection.execute(
            "EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) SELECT * FROM " + dirty.rows().as_string(connection) + " AS source"
        ).fetchone()
    assert explained
    [found] = explained[0] if isinstance(explained[0], list) else json.loads(explained[0])
    return len(count.dirty), max(looked_at(found["Plan"]))


@pytest.mark.parametrize("source", SOURCES)
def test_every_row_is_looked_at_once(database: str, source: str) -> None:
    with kept(loaded(database, POINTS + SOURCES[source]), "public.seen", range(3)) as made:
        [(rows,)] = made.editor.execute("SELECT count(*) FROM seen").fetchall()
        if source.endswith("view"):
            made.edit("UPDATE places SET name = 'x' WHERE id % 37 = 0")
            if source == "a materialized view":
                made.edit("REFRESH MATERIALIZED VIEW seen")
        else:
            made.edit("UPDATE seen SET geom = geom WHERE id % 37 = 0")
        dirty, most = most_looked_at(made)
        assert dirty > 5
        assert most <= rows
        assert made.refresh().dirty_blocks == dirty
        assert made.rebuilt == []
        assert_equals_a_build(made)


def test_an_index_leads_to_the_rows_of_a_table(database: str) -> None:
    indexed = BARE + "; CREATE INDEX ON public.seen USING gist (geom); ANALYZE public.seen"
    with kept(loaded(database, POINTS + indexed), "public.seen", range(3)) as made:
        made.edit("UPDATE seen SET geom = geom WHERE id = 7")
        dirty, most = most_looked_at(made)
        assert dirty == 1
        assert most < 200
