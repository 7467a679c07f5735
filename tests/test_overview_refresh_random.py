"""After any edits an overview that is refreshed holds what a build makes of the same rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.overview_refreshes import Kept, assert_equals_a_build, kept

# A few places, so that rows share cells: near the map's edges, across ±180, near the equator and where cells meet.
_LONGITUDES = st.sampled_from(
    [-180.0, -179.99, -90.0, -0.001, 0.0, 0.001, 9.5, 9.6, 90.0, 179.99, 180.0, 180.5, 200.0, -185.0]
) | st.floats(-200, 200)
_LATITUDES = st.sampled_from([-90.0, -85.06, -45.0, 0.0, 47.1, 47.11, 85.0, 85.06, 89.0]) | st.floats(-90, 90)
_SIZES = st.sampled_from([0.0001, 0.01, 1.0, 20.0, 200.0, 370.0])
_FEW = st.integers(1, 60)
_EXAMPLES = int(os.environ.get("REFRESH_EXAMPLES", "6"))

POINT = "ST_SetSRID(ST_MakePoint({x}, {y}), 4326)"
LINE = "ST_SetSRID(ST_MakeLine(ST_MakePoint({x}, {y}), ST_MakePoint({x} + {size}, LEAST({y} + {size} / 3, 90))), 4326)"
AREA = "ST_Segmentize(ST_MakeEnvelope({x}, {y}, {x} + {size}, LEAST({y} + {size} / 2, 90), 4326), 0.5)"
FAR = "ST_SetSRID(ST_Collect(ST_MakeEnvelope({x}, {y}, {x} + 1, {y} + 1), ST_MakeEnvelope({x} + {size}, -10, {x} + {size} + 0.001, -9.999)), 4326)"
MIXED = (
    "CASE {n} % 4 WHEN 0 THEN "
    + POINT
    + " WHEN 1 THEN "
    + LINE
    + " WHEN 2 THEN "
    + AREA
    + " ELSE "
    + FAR
    + " END"
)


@st.composite
def _shape(draw: st.DrawFn, text: str) -> str:
    values = {
        "x": repr(draw(_LONGITUDES)),
        "y": repr(draw(_LATITUDES)),
        "size": repr(draw(_SIZES)),
        "n": draw(_FEW),
    }
    return text.format(**{name: f"({value})" for name, value in values.items()})


@st.composite
def _edit(draw: st.DrawFn, text: str) -> str:
    empty = {POINT: "POINT", LINE: "LINESTRING", AREA: "POLYGON"}.get(text, "GEOMETRYCOLLECTION")
    shape, number, other = draw(_shape(text)), draw(_FEW), draw(st.integers(301, 330))
    return draw(
        st.sampled_from(
            [
                f"UPDATE things SET geom = {shape} WHERE id = {number}",
                f"UPDATE things SET geom = {shape} WHERE id % 9 = {number % 9}",
                f"UPDATE things SET geom = NULL WHERE id = {number}",
                f"UPDATE things SET geom = ST_SetSRID('{empty} EMPTY'::geometry, 4326) WHERE id = {number}",
                f"UPDATE things SET geom = ST_Translate(geom, 360, 0) WHERE id = {number}",
                f"UPDATE things SET name = name || '!' WHERE id = {number}",
                f"UPDATE things SET importance = -importance WHERE id % 7 = {number % 7}",
                f"UPDATE things SET id = id + 1000 WHERE id = {number}",
                f"UPDATE things SET shown = NOT shown WHERE id % 5 = {number % 5}",
                f"DELETE FROM things WHERE id = {number}",
                f"DELETE FROM things WHERE id % 6 = {number % 6}",
                f"INSERT INTO things VALUES ({other}, 'new', {number}, true, {shape}) ON CONFLICT DO NOTHING",
                f"INSERT INTO things SELECT id + 2000 + {number * 100}, name, importance, shown, geom FROM things WHERE id < 1000 ON CONFLICT DO NOTHING",
                f"BEGIN; DELETE FROM things WHERE id = {number}; INSERT INTO things VALUES ({number}, 'again', 1, true, {shape}); COMMIT",
                f"BEGIN; SAVEPOINT s; UPDATE things SET geom = {shape} WHERE id = {number}; RELEASE s; COMMIT",
                "TRUNCATE things",
                "VACUUM FULL things",
                "SELECT 1",
            ]
        )
    )


def _things(database: str, shape: str, column: str) -> str:
    rows = shape.format(
        x="(n % 30 * 37 % 400 - 200 + n / 1e6)",
        y="(n % 30 * 17 % 180 - 90)",
        size="(n % 5 * 3 + 0.01)",
        n="n",
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "DROP TABLE IF EXISTS public.things CASCADE;"
            f"CREATE TABLE public.things (id int PRIMARY KEY, name text, importance int, shown bool, geom geometry({column}, 4326));"
            f"INSERT INTO public.things SELECT n, 'thing ' || n, n % 10, n % 8 <> 0, {rows} FROM generate_series(1, 240) AS n;"
            "CREATE INDEX ON public.things USING gist (geom)".encode()
        )
    return database


def _holds(made: Kept, text: str) -> None:
    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(_edit(text), min_size=1, max_size=4), min_size=1, max_size=3))
    def rounds(batches: list[list[str]]) -> None:
        for batch in batches:
            for edit in batch:
                for statement in edit.split("; "):
                    made.edit(statement)
            made.refresh()
        assert_equals_a_build(made)

    rounds()
    assert made.rebuilt == []


def test_points_with_a_rank(database: str, tmp_path: Any) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.things"]\nrank = "-importance"\nfilter = "shown = TRUE"\n')
    with kept(
        _things(database, POINT, "Point"), "public.things", [0, 1, 4, 9], FLAGSTONE_LAYERS_FILE=str(file)
    ) as made:
        assert made.target.layer.options.filter is not None
        assert made.target.layer.options.rank
        _holds(made, POINT)


def test_lines(database: str) -> None:
    with kept(_things(database, LINE, "LineString"), "public.things", [0, 2, 3, 7], small=4) as made:
        _holds(made, LINE)


def test_polygons_in_pieces(database: str) -> None:
    with kept(_things(database, AREA, "Polygon"), "public.things", [0, 2, 5], pieces=True) as made:
        _holds(made, AREA)


def test_mixed_shapes_in_a_grid_whose_cells_do_not_nest(database: str) -> None:
    with kept(
        _things(database, MIXED, "Geometry"),
        "public.things",
        [0, 2, 5],
        grid="EuropeanETRS89_LAEAQuad",
        small=2,
    ) as made:
        _holds(made, MIXED)


def test_polygons_whose_middle_lies_beside_them(database: str) -> None:
    with kept(_things(database, FAR, "Geometry"), "public.things", [1, 3, 6], pieces=True, small=8) as made:
        _holds(made, FAR)


def test_a_view_whose_rows_carry_no_transaction(database: str, tmp_path: Any) -> None:
    _through(
        database,
        tmp_path,
        "CREATE VIEW public.seen AS SELECT id, upper(name) AS name, importance, geom FROM public.things WHERE shown",
    )


def test_partitions(database: str) -> None:
    _things(database, MIXED, "Geometry")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"ALTER TABLE public.things RENAME TO old; CREATE TABLE public.things (LIKE public.old) PARTITION BY RANGE (id);"
            b"ALTER TABLE public.things ADD PRIMARY KEY (id); CREATE TABLE public.low PARTITION OF public.things FOR VALUES FROM (0) TO (30);"
            b"CREATE TABLE public.high PARTITION OF public.things FOR VALUES FROM (30) TO (100000);"
            b"INSERT INTO public.things SELECT * FROM public.old; DROP TABLE public.old"
        )
    with kept(database, "public.things", [0, 3], pieces=True) as made:
        _holds(made, MIXED)


def _through(database: str, tmp_path: Any, view: str, then: Callable[[Kept], None] | None = None) -> None:
    _things(database, MIXED, "Geometry")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(view.encode())
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.seen"]\nid = "id"\n')
    with kept(database, "public.seen", [0, 3, 6], pieces=True, FLAGSTONE_LAYERS_FILE=str(file)) as made:
        if then is not None:
            then(made)
        _holds(made, MIXED)
