"""A tile that would hold too much, as a map gets it: one feature of each cell, within the limit and the budget."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from tests.conftest import Login, MakeApp
from tests.crowds import crowded
from tests.servers.postgres import DatabaseServer
from tests.test_tile_determinism import PARALLEL
from tests.tile_decoding import attributes, decoded, features, get


@pytest.fixture(scope="module")
def crowds(server: DatabaseServer, template: str) -> Iterator[str]:
    with crowded(server, template) as dsn:
        yield dsn


@pytest.fixture
def app(crowds: str, make_app: MakeApp) -> Flask:
    return make_app(crowds, CACHE_TYPE="NullCache")


def said(app: Flask, path: str) -> str:
    return get(app, path).headers["Flagstone-Tile"]


def test_above_the_limit_of_the_server_every_cell_shows_a_feature(app: Flask) -> None:
    assert said(app, "/tiles/towns/0/0/0") == "sampled"
    found = attributes(app, "/tiles/towns/0/0/0")
    assert sum(row["feature_count"] for row in found) == 12000
    assert max(row["people"] for row in found if "people" in row) == 12000 - 1
    # Where the tile query can show everything, it does.
    assert said(app, "/tiles/towns/3/4/3") == "full"
    assert all("feature_count" not in row for row in attributes(app, "/tiles/towns/3/4/3"))


def test_a_million_of_a_kind_in_one_place_are_one_feature(app: Flask) -> None:
    assert attributes(app, "/tiles/same/9/269/179") == [{"id": 1, "feature_count": 20000}]


def test_a_limit_of_the_request_keeps_its_meaning(app: Flask) -> None:
    assert said(app, "/tiles/towns/0/0/0?limit=100") == "limited"
    ids = [row["id"] for row in attributes(app, "/tiles/towns/0/0/0?limit=100&sortby=id")]
    assert ids == list(range(1, 101))
    assert (
        said(app, "/tiles/towns/0/0/0?limit=10000") == said(app, "/tiles/towns/0/0/0?limit=-1") == "sampled"
    )


def test_the_same_tile_whether_or_not_the_zoom_is_known_to_be_crowded(crowds: str, make_app: MakeApp) -> None:
    one, other = (make_app(crowds, CACHE_TYPE="NullCache", FLAGSTONE_MAX_FEATURES="300") for _ in range(2))
    tiles = [f"3/{x}/{y}" for x in range(1, 7) for y in range(1, 7)]
    forward = {tile: get(one, f"/tiles/towns/{tile}") for tile in tiles}
    backward = {tile: get(other, f"/tiles/towns/{tile}") for tile in reversed(tiles)}
    for tile in tiles:
        assert forward[tile].headers.get("ETag") == backward[tile].headers.get("ETag"), tile
        assert forward[tile].headers["Flagstone-Tile"] == backward[tile].headers["Flagstone-Tile"]
    assert {each.headers["Flagstone-Tile"] for each in forward.values()} >= {"full", "sampled"}


def test_wider_cells_where_those_of_eight_pixels_are_too_many(crowds: str, make_app: MakeApp) -> None:
    for most, cells in ((2000, 8), (500, 16), (150, 32), (60, 64)):
        app = make_app(crowds, CACHE_TYPE="NullCache", FLAGSTONE_MAX_FEATURES=str(most))
        found = attributes(app, "/tiles/towns/0/0/0")
        assert said(app, "/tiles/towns/0/0/0") == "sampled"
        assert len(found) <= most
        assert len(found) > (512 / cells) ** 2 * 140 / 360 * 140 / 360 * 0.6
        assert sum(row["feature_count"] for row in found) == 12000


def test_what_no_cell_can_bound_is_limited_to_the_first_by_rank(crowds: str, make_app: MakeApp) -> None:
    app = make_app(crowds, FLAGSTONE_MAX_FEATURES="5")
    assert said(app, "/tiles/towns/0/0/0") == "limited"
    people = [row["people"] for row in attributes(app, "/tiles/towns/0/0/0")]
    assert len(people) == 5
    assert people == sorted(people, reverse=True)
    assert people[0] == 11999


class TestBudget:
    @pytest.fixture
    def heavy(self, database: str) -> str:
        """Texts that do not compress, and one row larger than any budget."""
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE notes AS SELECT i AS id, (SELECT string_agg(md5(random()::text || i || n), '') FROM generate_series(1, 30) AS n) AS text,"
                " ST_SetSRID(ST_MakePoint(i % 60 * 5 - 150, i / 60 * 3 - 60), 4326)::geometry(Point, 4326) AS geom FROM generate_series(1, 2400) AS i"
            )
            connection.execute("ALTER TABLE notes ADD PRIMARY KEY (id)")
            connection.execute("CREATE TABLE novel AS SELECT 1 AS id, (SELECT string_agg(md5(random()::text || n), '') FROM generate_series(1, 9000) AS n) AS text,"
                               " geom FROM notes WHERE id = 1")  # fmt: skip
        return database

    @pytest.mark.parametrize("kilobytes", [500, 100, 30, 8])
    def test_a_tile_is_never_above_it(self, heavy: str, make_app: MakeApp, kilobytes: int) -> None:
        app = make_app(heavy, FLAGSTONE_TILE_BUDGET_KB=str(kilobytes))
        response = get(app, "/tiles/notes/0/0/0", Accept_Encoding="gzip")
        assert len(response.get_data()) <= kilobytes * 1024
        assert response.headers["Flagstone-Tile"] == ("limited" if kilobytes < 30 else "sampled")
        assert len(decoded(response)["public.notes"]["features"]) > kilobytes / 3
        if kilobytes >= 30:
            assert said(app, "/tiles/notes/0/0/0?columns=id") == "full"

    def test_without_one_everything_is_there(self, heavy: str, make_app: MakeApp) -> None:
        app = make_app(heavy, FLAGSTONE_TILE_BUDGET_KB="0")
        response = get(app, "/tiles/notes/0/0/0", Accept_Encoding="gzip")
        assert response.headers["Flagstone-Tile"] == "full"
        assert len(gzip.decompress(response.get_data())) > 1_000_000

    def test_the_first_features_of_a_limited_request_are_fewer(self, heavy: str, make_app: MakeApp) -> None:
        app = make_app(heavy, FLAGSTONE_TILE_BUDGET_KB="100")
        response = get(app, "/tiles/notes/0/0/0?limit=2000", Accept_Encoding="gzip")
        assert response.headers["Flagstone-Tile"] == "limited"
        assert len(response.get_data()) <= 100 * 1024
        ids = [feature["id"] for feature in decoded(response)["public.notes"]["features"]]
        assert ids == list(range(1, len(ids) + 1))
        assert 50 < len(ids) < 300

    def test_one_feature_stays_however_large(self, heavy: str, make_app: MakeApp) -> None:
        app = make_app(heavy, FLAGSTONE_TILE_BUDGET_KB="50")
        response = get(app, "/tiles/novel/0/0/0")
        assert response.headers["Flagstone-Tile"] == "limited"
        assert len(decoded(response)["public.novel"]["features"]) == 1


class TestTheCount:
    def test_is_an_attribute_that_can_be_chosen(self, app: Flask) -> None:
        assert {frozenset(row) for row in attributes(app, "/tiles/towns/0/0/0?columns=feature_count")} == {
            frozenset({"feature_count"})
        }
        assert {frozenset(row) for row in attributes(app, "/tiles/towns/0/0/0?columns=id")} == {
            frozenset({"id"})
        }
        assert attributes(app, "/tiles/towns/0/0/0?columns=")[0] == {}
        assert {frozenset(row) for row in attributes(app, "/tiles/towns/0/0/0?columns=feature_count,id")} == {
            frozenset({"feature_count", "id"})
        }
        assert attributes(app, "/tiles/towns/3/4/3?columns=feature_count")[0] == {}

    def test_is_a_column_where_the_layer_has_one(self, app: Flask) -> None:
        assert {
            row["feature_count"] for row in attributes(app, "/tiles/fields/0/0/0?columns=feature_count")
        } == {"mine"}

    def test_is_in_the_tilejson_of_layers_that_have_more_rows_than_the_limit(
        self, app: Flask, crowds: str, make_app: MakeApp
    ) -> None:
        def fields(app: Flask, address: str) -> dict[str, str]:
            document = get(app, address).get_json()
            [layer] = document["vector_layers"]
            return dict(layer["fields"])

        assert fields(app, "/towns/tilejson.json") == {
            "id": "Number",
            "people": "Number",
            "kind": "String",
            "feature_count": "Number",
        }
        assert fields(app, "/towns/tilejson.json?columns=id") == {"id": "Number"}
        assert fields(app, "/towns/tilejson.json?columns=feature_count") == {"feature_count": "Number"}
        assert "feature_count" not in fields(app, "/towns/tilejson.json?limit=7")
        assert "feature_count" not in fields(app, "/lines/tilejson.json")
        assert fields(app, "/fields/tilejson.json")["feature_count"] == "String"

    def test_a_misspelled_one_is_400(self, app: Flask) -> None:
        assert get(app, "/tiles/towns/0/0/0?columns=feature_counts").status_code == 400


def test_a_composite_says_the_worst_of_its_parts(app: Flask) -> None:
    assert said(app, "/tiles/towns,lines/0/0/0") == "sampled"
    assert said(app, "/tiles/towns,lines/0/0/0?lines.limit=5") == "limited"
    assert said(app, "/tiles/towns,lines/3/4/3") == "full"
    layers = decoded(get(app, "/tiles/towns,lines/0/0/0"))
    assert all("feature_count" in feature["properties"] for feature in layers["public.towns"]["features"])
    assert all("feature_count" not in feature["properties"] for feature in layers["public.lines"]["features"])


@pytest.mark.parametrize("layer", ["towns", "keyless", "seen", "fields"])
def test_the_same_bytes_with_parallel_plans(crowds: str, make_app: MakeApp, layer: str) -> None:
    bodies = set()
    with psycopg.connect(crowds, autocommit=True) as connection:
        name = connection.info.dbname
        for statement in (
            "",
            PARALLEL.format(f'"{name}"'),
            f'ALTER DATABASE "{name}" SET enable_hashjoin = off',
            f'ALTER DATABASE "{name}" RESET ALL',
        ):
            connection.execute(statement.encode())
            app = make_app(crowds, CACHE_TYPE="NullCache")
            bodies |= {get(app, f"/tiles/{layer}/0/0/0").get_data() for _ in range(3)}
    assert len(bodies) == 1


def test_a_login_that_may_not_read_the_key_sees_the_cells(
    crowds: str, make_app: MakeApp, login: Login
) -> None:
    dsn = login(crowds, "flagstone_cells", "GRANT SELECT (kind, geom) ON towns TO flagstone_cells")
    app = make_app(dsn, CACHE_TYPE="NullCache")
    found = features(app, "/tiles/towns/0/0/0")
    assert sum(feature["properties"]["feature_count"] for feature in found) == 12000
    assert {frozenset(feature["properties"]) for feature in found} == {frozenset({"kind", "feature_count"})}


def test_row_security_counts_only_what_may_be_seen(crowds: str, make_app: MakeApp, login: Login) -> None:
    dsn = login(
        crowds, "flagstone_rows", "CREATE TABLE secured AS SELECT * FROM towns WHERE id <= 12000", "ALTER TABLE secured ADD PRIMARY KEY (id)",
        "ALTER TABLE secured ALTER geom TYPE geometry(Point, 4326)", "ANALYZE secured", "ALTER TABLE secured ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON secured USING (kind <> 'a')", "GRANT SELECT ON secured TO flagstone_rows",
    )  # fmt: skip
    app = make_app(dsn, FLAGSTONE_MAX_FEATURES="3000")
    found = attributes(app, "/tiles/secured/0/0/0")
    assert sum(row["feature_count"] for row in found) == 9600
    assert "a" not in {row["kind"] for row in found}
