"""Lines with equal values that follow upon one another are one line in an overview, where the layer says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.layers.tile import Tile
from tests.conftest import Login, MakeApp
from tests.overview_builds import band, overview
from tests.overview_readers import attributes_of, entry_as, run
from tests.overview_refreshes import assert_equals_a_build, kept
from tests.test_overview_cli import asked, said
from tests.tile_decoding import attributes, decoded, get

HALF = 20037508.342789244
MERGED = {"merge": ["name", "class"]}


def _lines(dsn: str, *rows: tuple[Any, ...], overview: dict[str, Any] | None = None) -> None:
    """Lines (id, name, class, lanes, WKT in EPSG:3857), with what the layer's comment says of overviews."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.ways (id int PRIMARY KEY, name text, class int, lanes int, geom geometry(Geometry, 3857))"
        )
        connection.cursor().executemany(
            "INSERT INTO public.ways VALUES (%s, %s, %s, %s, ST_GeomFromText(%s, 3857))", rows
        )
        comment = json.dumps({"overview": MERGED if overview is None else overview})
        connection.execute(sql.SQL("COMMENT ON TABLE public.ways IS {}").format(sql.Literal(comment)))
        connection.execute("ANALYZE public.ways")


def _chain(
    first: int, steps: int, step: float, name: str | None, y: float, west: float = 1e6
) -> list[tuple[Any, ...]]:
    """So many lines one after the other; the third one is the longest."""
    rows, x = [], west
    for place in range(steps):
        length = step * (1.5 if place == 2 else 1)
        rows.append(
            (
                first + place,
                name,
                1,
                place,
                f"LINESTRING({x!r} {y!r},{x + length / 2!r} {y + step / 9!r},{x + length!r} {y!r})",
            )
        )
        x += length
    return rows


COLUMNS = 'id, name, lanes, feature_count, ST_NumGeometries("~geometry"), ST_Length("~geometry")'


def test_lines_with_equal_values_become_one_with_the_longest_ones_columns(database: str) -> None:
    _lines(database, *_chain(1, 8, 20_000, "A1", 2e6), *_chain(11, 8, 20_000, "A2", 2.3e6))
    number = overview(database, "public.ways", range(6, 8))
    for zoom in (6, 7):
        found = sorted(band(database, number, zoom, COLUMNS))
        assert [row[:5] for row in found] == [(3, "A1", 2, 8, 1), (13, "A2", 2, 8, 1)]
        assert all(row[5] == pytest.approx(8.5 * 20_000, rel=0.05) for row in found)


def test_nothing_is_merged_without_the_setting(database: str) -> None:
    _lines(database, *_chain(1, 8, 20_000, "A1", 2e6), overview={})
    number = overview(database, "public.ways", [7])
    assert len(band(database, number, 7, "id")) == 8


def test_values_that_differ_are_not_merged_and_null_is_one_value(database: str) -> None:
    rows = [*_chain(1, 4, 20_000, None, 2e6), *_chain(11, 4, 20_000, None, 2.2e6)]
    rows[1] = (*rows[1][:2], 2, *rows[1][3:])  # another class
    _lines(database, *rows)
    number = overview(database, "public.ways", [7])
    assert sorted(band(database, number, 7, "id, feature_count")) == [(1, 1), (2, 1), (3, 2), (13, 4)]


def test_a_junction_ends_a_line(database: str) -> None:
    cross = [(place, "High Street", 1, 1, f"LINESTRING(1e6 2e6, {1e6 + dx} {2e6 + dy})") for place, (dx, dy) in
             enumerate([(9e4, 0), (-9e4, 0), (0, 9e4)], start=1)]  # fmt: skip
    _lines(database, *cross, (4, "High Street", 1, 1, "LINESTRING(1090000 2e6, 1190000 2e6)"))
    number = overview(database, "public.ways", [7])
    assert sorted(band(database, number, 7, "id, feature_count")) == [(2, 1), (3, 1), (4, 2)]


def test_lines_that_cross_and_rings_and_areas_stay_as_they_are(database: str) -> None:
    _lines(
        database,
        (1, "x", 1, 1, "LINESTRING(1e6 2e6, 1.2e6 2e6)"), (2, "x", 1, 1, "LINESTRING(1.1e6 1.9e6, 1.1e6 2.1e6)"),
        (3, "x", 1, 1, "LINESTRING(1e6 2e6, 1e6 2.1e6, 0.9e6 2e6, 1e6 2e6)"),
        (4, "x", 1, 1, "POLYGON((1e6 2e6, 1.1e6 2e6, 1e6 2.1e6, 1e6 2e6))"), (5, "x", 1, 1, "POINT(1e6 2e6)"),
        (6, "x", 1, 1, "LINESTRING EMPTY"), (7, "x", 1, 1, None),
    )  # fmt: skip
    number = overview(database, "public.ways", [7])
    assert sorted(band(database, number, 7, "id, feature_count")) == [(place, 1) for place in range(1, 6)]


def test_a_loop_of_two_lines_is_one(database: str) -> None:
    _lines(
        database, (1, "x", 1, 1, "LINESTRING(1e6 2e6, 1.1e6 2e6, 1.1e6 2.1e6)"), (2, "x", 1, 1, "LINESTRING(1.1e6 2.1e6, 1e6 2.1e6, 1e6 2e6)")
    )  # fmt: skip
    number = overview(database, "public.ways", [7])
    assert band(database, number, 7, 'id, feature_count, ST_IsClosed("~geometry")') == [(1, 2, True)]


def test_segments_far_below_a_pixel_become_a_line_that_is_seen_whole(database: str) -> None:
    """A pixel of zoom 4 is 19.6 km; each segment has 2 km."""
    _lines(database, *_chain(1, 200, 2000, "river", 2e6))
    number = overview(database, "public.ways", range(3, 5))
    for zoom in (3, 4):
        found = band(database, number, zoom, 'id, feature_count, ST_XMax("~geometry") - ST_XMin("~geometry")')
        assert sum(row[1] for row in found) == 200
        assert sum(row[2] for row in found) == pytest.approx(401_000, rel=0.1)
        assert len(found) <= 2


def test_sums_are_those_of_all_rows_of_a_line(database: str, make_app: MakeApp) -> None:
    _lines(
        database, *_chain(1, 8, 20_000, "A1", 2e6), overview=MERGED | {"sum": ["lanes"], "mean": ["lanes"]}
    )
    overview(database, "public.ways", range(8))
    [found] = attributes(make_app(database), "/tiles/public.ways/4/8/7")
    assert (found["feature_count"], found["lanes_sum"], found["lanes_mean"]) == (8, 28, 3.5)


@pytest.mark.parametrize("key", ["(id, name)", '("I""d %s {x}")'])
def test_names_and_keys_of_any_kind(database: str, key: str) -> None:
    _lines(database, *_chain(1, 6, 20_000, "A1", 2e6), overview={"merge": ["geom {x} %s", "name"]})
    run(
        database, 'ALTER TABLE ways DROP CONSTRAINT ways_pkey, ADD "geom {x} %s" jsonb DEFAULT \'{"b": 1}\', ADD "I""d %s {x}" int',
        'UPDATE ways SET "I""d %s {x}" = id', 'ALTER TABLE ways ADD chain int, ADD "row" int, ADD number text, ADD piece int',
        f"ALTER TABLE ways ADD PRIMARY KEY {key}", "ALTER TABLE ways ALTER geom TYPE geometry(Geometry, 3857)",
    )  # fmt: skip
    number = overview(database, "public.ways", range(6, 8))
    assert band(database, number, 6, "id, feature_count") == [(3, 6)]


def _net(dsn: str, **said: Any) -> None:
    """Streets of some names, in one direction and the other, over four tiles of zoom 7 and both sides of ±0."""
    _lines(dsn, **said)
    run(
        dsn,
        "INSERT INTO ways SELECT n, 'street ' || n % 7, n % 2, n, ST_SetSRID(ST_MakeLine(ST_MakePoint(x, y),"
        " CASE WHEN n % 3 = 0 THEN ST_MakePoint(x, y + 9000) ELSE ST_MakePoint(x + 9000, y) END), 3857)"
        " FROM (SELECT n, (n % 40 - 20) * 9000.0 + 777 AS x, (n / 40 - 20) * 9000.0 + 1234 AS y FROM generate_series(0, 1599) AS n) AS placed",
        "UPDATE ways SET name = 'street ' || (id / 40) % 7, class = 1",
    )


def test_every_row_is_counted_and_no_length_is_lost(database: str, make_app: MakeApp) -> None:
    _net(database)
    number = overview(database, "public.ways", range(9))
    [status] = asked(make_app(database), "status", "public.ways")
    assert status["rows"]["is_exact"]
    found = band(database, number, 8, 'ST_Length("~geometry"), feature_count')
    # A pixel is 306 m there: nothing is below it.
    assert len(found) < 1300 and sum(row[0] for row in found) == pytest.approx(1600 * 9000, rel=0.001)


@pytest.mark.parametrize("zoom", range(4, 9))
def test_nine_tiles_hold_the_ids_of_one_that_is_as_large(database: str, make_app: MakeApp, zoom: int) -> None:
    _net(database)
    number = overview(database, "public.ways", range(9))
    app, middle = make_app(database), 2 ** (zoom - 1)
    seen = {
        each["properties"]["id"]
        for x in (-1, 0, 1) for y in (-1, 0, 1)
        for drawn in decoded(get(app, f"/tiles/public.ways/{zoom}/{middle + x}/{middle + y}?buffer=0")).values()
        for each in drawn["features"]
    }  # fmt: skip
    span = 2 * HALF / 2**zoom
    box = f"ST_MakeEnvelope({-span}, {-2 * span}, {2 * span}, {span}, 3857)"
    assert seen == {
        row[0] for row in band(database, number, zoom, f'id, ST_Intersects("~geometry", {box})') if row[1]
    }


def test_a_build_comes_out_the_same_again(database: str) -> None:
    _net(database)
    with kept(database, "public.ways", range(9)) as made:
        assert_equals_a_build(made)


def test_a_refresh_builds_anew_where_a_row_changed(database: str) -> None:
    _net(database)
    with kept(database, "public.ways", range(9)) as made:
        assert made.refresh().rebuilt is None
        made.edit("DELETE FROM ways WHERE id = 700")
        made.edit("UPDATE ways SET name = 'other' WHERE id = 900")
        assert "lines are merged" in (made.refresh().rebuilt or "")
        assert set(made.counts().values()) == {1599}
        assert_equals_a_build(made)


def test_another_setting_makes_the_overview_stale(database: str, make_app: MakeApp) -> None:
    _net(database)
    overview(database, "public.ways", range(9))
    run(database, 'COMMENT ON TABLE ways IS \'{"overview": {"merge": ["name"]}}\'')
    assert "not served" in asked(make_app(database), "status", "public.ways")[0]["state"]


def test_with_row_security_every_line_is_by_itself(database: str) -> None:
    _lines(database, *_chain(1, 8, 20_000, "A1", 2e6))
    run(database, "ALTER TABLE ways ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON ways USING (true)")
    number = overview(database, "public.ways", [7])
    assert len(band(database, number, 7, "id")) == 8


def test_who_may_not_read_what_lines_are_merged_by_does_not_see_the_merged_ones(
    database: str, login: Login, make_app: MakeApp
) -> None:
    _lines(database, *_chain(1, 8, 20_000, "A1", 2e6), overview={"merge": ["class"]})
    login(database, "h_anna", "GRANT SELECT (id, class, geom) ON public.ways TO h_anna")
    login(database, "h_ben", "GRANT SELECT (id, name, geom) ON public.ways TO h_ben")
    web = login(database, "h_web", "GRANT h_anna, h_ben TO h_web", attributes="NOINHERIT")
    number = overview(web, "public.ways", range(8), FLAGSTONE_ADMIN_DATABASE_URL=database)
    app = make_app(web)
    assert len(attributes_of(entry_as(app, "public.ways", "h_anna", Tile(4, 8, 7)))) == 1
    assert len(attributes_of(entry_as(app, "public.ways", "h_ben", Tile(4, 8, 7)))) == 8
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE h_ben")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f'SELECT "~geometry" FROM flagstone.overview_{number}_z7'.encode())


def test_plan_says_what_merging_saves(database: str, make_app: MakeApp) -> None:
    _net(database)
    app = make_app(database, FLAGSTONE_MAX_FEATURES=60)
    [plan] = asked(app, "plan", "public.ways")
    merging = plan["merging"]
    assert merging["columns"] == ["name", "class"] and 0 < merging["merged"] < merging["lines"] <= 1600
    assert "Lines are merged by name, class" in said(app, "plan", "public.ways")


@pytest.mark.parametrize(
    ("merge", "columns", "warning"),
    [
        (["nmae"], None, "there is no column 'nmae'; name is one"),
        (["lanes"], ["id", "name"], "'lanes' is not among the columns that are served"),
    ],
)
def test_columns_that_cannot_be_are_named(
    database: str,
    make_app: MakeApp,
    tmp_path: Path,
    merge: list[str],
    columns: list[str] | None,
    warning: str,
) -> None:
    _lines(database)
    file = tmp_path / "layers.toml"
    file.write_text(
        f'[layers."public.ways"]\noverview = {{ merge = {json.dumps(merge)} }}\n'
        + (f"columns = {json.dumps(columns)}\n" if columns else "")
    )
    checked = (
        make_app(database, FLAGSTONE_LAYERS_FILE=str(file)).test_cli_runner().invoke(args=["config", "check"])
    )
    assert warning in checked.output


def test_merging_of_points_is_said_to_mean_nothing(database: str, make_app: MakeApp, tmp_path: Path) -> None:
    run(database, "CREATE TABLE public.spots (id int PRIMARY KEY, geom geometry(Point, 4326))")
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.spots"]\noverview = { merge = ["id"] }\n')
    checked = (
        make_app(database, FLAGSTONE_LAYERS_FILE=str(file)).test_cli_runner().invoke(args=["config", "check"])
    )
    assert "only lines are merged, and the geometry is POINT" in checked.output
