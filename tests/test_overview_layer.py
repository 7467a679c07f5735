"""A layer with overviews is the same layer: its address, columns, documents, validators and rules stay what they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.errors import ConfigurationError
from app.layers.layers_file import parse
from tests.conftest import MakeApp
from tests.overview_builds import band, overview
from tests.overview_refreshes import assert_equals_a_build, kept
from tests.tile_decoding import attributes, decoded, features, get

TOWNS = """
CREATE TABLE public.towns (id int PRIMARY KEY, name text, people int, price numeric(10,2), heat float8, level int, geom geometry(Point, 4326));
INSERT INTO public.towns SELECT n, 'town ' || n, n * 10, CASE WHEN n % 3 > 0 THEN n / 7.0 END,
    CASE n % 5 WHEN 0 THEN 'NaN'::float8 WHEN 1 THEN 'Infinity' ELSE n / 2.0 END, nullif(n % 4, 0),
    ST_Point(-170.3 + (n % 40) * 8.5 + (n % 7) * 0.01, -60.3 + (n / 40) % 12 * 10 + (n % 5) * 0.01, 4326)
FROM generate_series(1, 5000) AS n;
ANALYZE public.towns
"""


def _towns(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(TOWNS.encode())


def _commented(dsn: str, **said: Any) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            psycopg.sql.SQL("COMMENT ON TABLE public.towns IS {}").format(
                psycopg.sql.Literal(json.dumps(said))
            )
        )


# --- sums and means --------------------------------------------------------------------------------------------------


def test_sums_and_means_are_those_of_all_rows_at_every_zoom(database: str, make_app: MakeApp) -> None:
    _towns(database)
    _commented(database, overview={"sum": ["people", "price"], "mean": ["price", "heat"]})
    overview(database, "public.towns", range(6))
    with psycopg.connect(database) as connection:
        people, price, rows = (
            connection.execute("SELECT sum(people), sum(price)::float8, count(*) FROM towns").fetchone() or ()
        )
        heat = connection.execute("SELECT sum(heat)::float8 FROM towns WHERE heat < 'Infinity'").fetchone()
    app = make_app(database)
    for zoom in (0, 1, 2):
        tiles = [(x, y) for x in range(2**zoom) for y in range(2**zoom)]
        found = [
            each for x, y in tiles for each in attributes(app, f"/tiles/public.towns/{zoom}/{x}/{y}?buffer=0")
        ]
        assert sum(each["feature_count"] for each in found) == rows
        assert sum(each["people_sum"] for each in found) == people
        assert sum(each.get("price_sum", 0) for each in found) == pytest.approx(price)
        assert all("heat_sum" not in each for each in found)
        alone = [each for each in found if each["feature_count"] == 1 and "price" in each]
        assert all(each["price_mean"] == pytest.approx(each["price"]) for each in alone)
    for zoom in range(6):
        total, number = band(database, 1, zoom, 'sum("~heat total")::float8, sum("~heat rows")')[0]
        assert (total, number) == (pytest.approx((heat or (0,))[0]), 3000)


def test_sums_after_a_refresh_are_those_of_a_build(database: str) -> None:
    _towns(database)
    _commented(database, overview={"sum": ["people"], "mean": ["heat"]})
    with kept(database, "public.towns", range(5)) as made:
        made.edit("UPDATE towns SET people = people + 1, heat = 'NaN' WHERE id % 100 = 7")
        made.edit("DELETE FROM towns WHERE id % 100 = 8")
        assert made.refresh().rebuilt is None
        assert_equals_a_build(made)


@pytest.mark.parametrize("letter", ["n", "\u00e4"])
def test_sums_of_columns_whose_names_are_as_long_as_they_can_be(
    database: str, make_app: MakeApp, letter: str
) -> None:
    bytes_each = len(letter.encode())
    first, second = (letter * (61 // bytes_each) + end * (63 - 61 // bytes_each * bytes_each) for end in "ab")
    assert len(first.encode()) == len(second.encode()) == 63
    _towns(database)
    with psycopg.connect(database) as connection:
        for old, new in (("people", first), ("level", second)):
            connection.execute(psycopg.sql.SQL("ALTER TABLE towns RENAME {} TO {}").format(*map(psycopg.sql.Identifier, (old, new))))
    _commented(database, overview={"sum": [first, second], "mean": [second]})
    with kept(database, "public.towns", range(3)) as made:
        made.edit("DELETE FROM towns WHERE id % 100 = 8")
        assert made.refresh().rebuilt is None
        assert_equals_a_build(made)
    with psycopg.connect(database) as connection:
        wanted = connection.execute(psycopg.sql.SQL("SELECT sum({}), sum({}) FROM towns").format(*map(psycopg.sql.Identifier, (first, second)))).fetchone()
    found = attributes(make_app(database), "/tiles/public.towns/0/0/0")
    sums = sorted({name for each in found for name in each if "_sum" in name})
    assert len(sums) == 2 and all(len(name.encode()) <= 63 for name in sums)
    assert tuple(sorted(sum(each.get(name, 0) for each in found) for name in sums)) == tuple(sorted(wanted or ()))
    assert any("_mean" in name for each in found for name in each)


def test_a_mean_is_that_of_the_rows_of_its_cell(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TABLE public.towns (id int PRIMARY KEY, price int, geom geometry(Point, 4326))"
        )
        connection.execute(
            "INSERT INTO public.towns SELECT n, nullif(n, 5), ST_Point(10 + n * 0.0001, 50, 4326) FROM generate_series(1, 5) AS n"
        )
    _commented(database, overview={"sum": ["price"], "mean": ["price"]})
    overview(database, "public.towns", range(12))
    (only,) = attributes(make_app(database), "/tiles/public.towns/0/0/0")
    assert only == {"id": 1, "price": 1, "feature_count": 5, "price_sum": 10, "price_mean": 2.5}


def test_a_band_that_is_above_the_budget_still_counts_every_row(database: str, make_app: MakeApp) -> None:
    _towns(database)
    _commented(database, overview={"sum": ["people"], "mean": ["people"]})
    overview(database, "public.towns", range(8))
    answer = get(make_app(database, FLAGSTONE_TILE_BUDGET_KB=5), "/tiles/public.towns/0/0/0")
    assert answer.headers["Flagstone-Tile"] == "sampled"
    found = [each["properties"] for layer in decoded(answer).values() for each in layer["features"]]
    assert sum(each["feature_count"] for each in found) == 5000
    assert sum(each["people_sum"] for each in found) == 10 * 5000 * 5001 // 2
    assert all(
        each["people_mean"] == pytest.approx(each["people_sum"] / each["feature_count"]) for each in found
    )


def test_sums_come_with_their_column_and_are_described(
    database: str, make_app: MakeApp, tmp_path: Path
) -> None:
    _towns(database)
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.towns"]\noverview = { sum = ["people"], mean = ["price"] }\n')
    overview(database, "public.towns", range(4), FLAGSTONE_LAYERS_FILE=str(file))
    app = make_app(database, FLAGSTONE_LAYERS_FILE=str(file))
    fields = json.loads(get(app, "/public.towns/tilejson.json").get_data())["vector_layers"][0]["fields"]
    assert {
        "feature_count": "Number",
        "people_sum": "Number",
        "price_mean": "Number",
    }.items() <= fields.items()
    assert "price_sum" not in fields
    assert set(attributes(app, "/tiles/public.towns/0/0/0?columns=people")[0]) == {"people", "people_sum"}
    assert set(attributes(app, "/tiles/public.towns/0/0/0?columns=name")[0]) == {"name"}
    assert set(attributes(app, "/tiles/public.towns/0/0/0?columns=name,feature_count")[0]) == {
        "name",
        "feature_count",
    }
    # Without the configuration it was built with, it is not served.
    plain = get(make_app(database), "/tiles/public.towns/0/0/0")
    assert plain.headers["Flagstone-Tile"] != "overview"


def test_a_sum_of_what_is_no_number_or_not_served_is_left_out(database: str, make_app: MakeApp) -> None:
    _towns(database)
    _commented(database, columns=["id", "people"], overview={"sum": ["people", "name", "price", "nothing"]})
    overview(database, "public.towns", range(2))
    app = make_app(database)
    fields = json.loads(get(app, "/public.towns/tilejson.json").get_data())["vector_layers"][0]["fields"]
    assert set(fields) == {"id", "people", "feature_count", "people_sum"}


# --- rank ------------------------------------------------------------------------------------------------------------


def test_a_winner_is_the_first_by_rank_with_null_last_and_ties_by_key(
    database: str, make_app: MakeApp
) -> None:
    _towns(database)
    _commented(database, rank=["-level"], columns=["id"])
    number = overview(database, "public.towns", range(4))
    half, span = 20037508.342789244, 2 * 20037508.342789244 / 128
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT id, level, floor((ST_X(p) + %s) / %s), floor((%s - ST_Y(p)) / %s)"
            " FROM (SELECT *, ST_Transform(geom, 3857) AS p FROM towns) AS placed", [half, span, half, span],
        ).fetchall()  # fmt: skip
    first: dict[tuple[float, float], tuple[int, int]] = {}
    for id_, level, x, y in rows:
        here = (-1 if level is None else level, -id_)
        first[x, y] = max(first.get((x, y), here), here)
    assert {id_ for (id_,) in band(database, number, 0, "id")} == {
        -negative for _, negative in first.values()
    }
    assert set(attributes(make_app(database), "/tiles/public.towns/0/0/0")[0]) == {"id", "feature_count"}


# --- the same layer --------------------------------------------------------------------------------------------------


@pytest.fixture
def towns(database: str) -> str:
    _towns(database)
    overview(database, "public.towns", range(6))
    return database


def test_ids_columns_and_name_stay(towns: str, make_app: MakeApp) -> None:
    app = make_app(towns)
    for zoom, how in ((0, "overview"), (5, "overview"), (6, "full")):
        answer = get(app, f"/tiles/public.towns/{zoom}/{2**zoom // 2}/{2**zoom // 2}")
        assert answer.headers["Flagstone-Tile"] == how
        (layer,) = decoded(answer).items() or [("public.towns", {"features": []})]
        assert layer[0] == "public.towns"
        for feature in layer[1]["features"]:
            assert feature["id"] == feature["properties"]["id"]
            assert {"id", "name", "people"} <= set(feature["properties"])


def test_a_filter_or_an_order_of_the_request_is_answered_by_the_table(towns: str, make_app: MakeApp) -> None:
    app = make_app(towns)
    for query in (
        "filter=people>49000",
        "people=49000",
        "sortby=-people",
        "bbox=0,0,10,10",
        "simplify=false",
        "clip=false",
    ):
        answer = get(app, f"/tiles/public.towns/0/0/0?{query}")
        assert answer.headers.get("Flagstone-Tile") != "overview", query
    assert {each["people"] for each in attributes(app, "/tiles/public.towns/0/0/0?filter=people>49980")} == {
        49990,
        50000,
    }


def test_a_limit_that_is_asked_for_keeps_that_many_and_says_so(towns: str, make_app: MakeApp) -> None:
    answer = get(make_app(towns), "/tiles/public.towns/0/0/0?limit=7")
    (layer,) = decoded(answer).values()
    assert len(layer["features"]) == 7
    assert answer.headers["Flagstone-Tile"] == "limited"


def test_a_tile_of_a_band_is_read_by_one_process(towns: str) -> None:
    with psycopg.connect(towns) as connection:
        found = connection.execute(
            "SELECT DISTINCT c.reloptions FROM flagstone.overview_band b JOIN pg_class c ON c.oid = b.relation WHERE b.kind = 'band'"
        ).fetchall()
    assert found == [(["parallel_workers=0"],)]


def test_resolution_and_buffer_are_the_requests(towns: str, make_app: MakeApp) -> None:
    app = make_app(towns)
    fine, coarse = (
        features(app, f"/tiles/public.towns/1/0/0?resolution={units}&buffer=0") for units in (4096, 512)
    )
    assert {each["id"] for each in fine} == {each["id"] for each in coarse}
    wide = features(app, "/tiles/public.towns/1/0/0?buffer=512")
    assert {each["id"] for each in wide} > {each["id"] for each in fine}


def test_other_addresses_and_composites_are_answered_by_the_band(towns: str, make_app: MakeApp) -> None:
    app = make_app(towns)
    with psycopg.connect(towns) as connection:
        connection.execute(
            "CREATE TABLE public.lone AS SELECT 1 AS id, ST_Point(1, 1, 4326)::geometry(Point, 4326) AS geom"
        )
    expected = {each["id"] for each in features(app, "/tiles/public.towns/0/0/0?buffer=0")}
    for path in ("/public.towns/0/0/0.pbf", "/towns/0/0/0", "/collections/public.towns/tiles/WebMercatorQuad/0/0/0",
                 "/tiles/WebMercatorQuad/public.towns/0/0/0"):  # fmt: skip
        answer = get(app, path)
        if answer.status_code == 200:
            assert answer.headers["Flagstone-Tile"] == "overview", path
            (layer,) = decoded(answer).values()
            assert expected == {each["id"] for each in layer["features"]}, path
    app = make_app(towns)
    both = get(app, "/tiles/public.towns,public.lone/0/0/0")
    assert set(decoded(both)) == {"public.towns", "public.lone"}
    assert both.headers["Flagstone-Tile"] == "overview"


def test_a_tile_keeps_its_validator_until_the_overview_is_built_again(towns: str, make_app: MakeApp) -> None:
    app = make_app(towns)
    first = get(app, "/tiles/public.towns/0/0/0")
    assert get(app, "/tiles/public.towns/0/0/0", If_None_Match=first.headers["ETag"]).status_code == 304
    with psycopg.connect(towns) as connection:
        connection.execute("DELETE FROM public.towns WHERE id > 1")
    overview(towns, "public.towns", range(6))
    app.extensions["flagstone"].catalog.reload()
    again = get(app, "/tiles/public.towns/0/0/0", If_None_Match=first.headers["ETag"])
    assert again.status_code == 200
    assert [
        each["properties"]["feature_count"] for layer in decoded(again).values() for each in layer["features"]
    ] == [1]


def test_a_column_named_like_the_count_keeps_its_own_values(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TABLE public.towns (id int PRIMARY KEY, feature_count text, geom geometry(Point, 4326))"
        )
        connection.execute(
            "INSERT INTO public.towns VALUES (1, 'mine', ST_Point(1, 1, 4326)), (2, 'mine', ST_Point(1, 1, 4326))"
        )
    overview(database, "public.towns", range(3))
    (only,) = attributes(make_app(database), "/tiles/public.towns/0/0/0")
    assert only == {"id": 1, "feature_count": "mine"}


def test_what_is_added_up_survives_the_printed_layers_file(
    database: str, make_app: MakeApp, tmp_path: Path
) -> None:
    _towns(database)
    _commented(database, overview={"sum": ["people"], "mean": ["price"]})
    printed = make_app(database).test_cli_runner().invoke(args=["config", "layers"]).output
    assert 'overview = {sum = ["people"], mean = ["price"]}' in printed
    file = tmp_path / "layers.toml"
    file.write_text(printed)
    checked = (
        make_app(database, FLAGSTONE_LAYERS_FILE=str(file)).test_cli_runner().invoke(args=["config", "check"])
    )
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize(
    "said", ['"people"', '{ total = ["people"] }', '{ sum = "people" }', "{ sum = [1] }"]
)
def test_an_overview_key_that_cannot_be_is_named_at_the_start(
    database: str, tmp_path: Path, said: str
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text(f'[layers."public.towns"]\noverview = {said}\n')
    with pytest.raises(ConfigurationError, match="overview"):
        parse(file.read_text(), "layers.toml")
