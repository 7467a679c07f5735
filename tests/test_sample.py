"""The sample: complete, typed, commented; all of it or nothing; safe to repeat, also at the same time."""

from __future__ import annotations

import csv
import json
import shutil
import socket
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.errors import ConfigurationError, DatabaseDown, SampleError
from app.repository.sample import FOLDER, load
from tests.conftest import Login, MakeApp

TABLES = sorted(path.stem for path in FOLDER.glob("data/*.csv"))
RELATIONS = sorted([*TABLES, "capitals", "liechtenstein_named_roads"])


def csv_rows(table: str) -> list[dict[str, str]]:
    csv.field_size_limit(10_000_000)
    with (FOLDER / "data" / f"{table}.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def ask(dsn: str, query: str) -> list[Any]:
    """The rows of a query; plain values where it has one column."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(query.encode()).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def change(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def counts(dsn: str) -> dict[str, int]:
    return {name: ask(dsn, f"SELECT count(*) FROM sample.{name}")[0] for name in RELATIONS}


def content(dsn: str) -> dict[str, str]:
    """A digest of each relation's rows."""
    return {
        name: ask(dsn, f"SELECT md5(string_agg(row::text, ',' ORDER BY row.id)) FROM sample.{name} AS row")[0]
        for name in RELATIONS
    }


def row_versions(dsn: str) -> dict[str, list[Any]]:
    """Which transaction wrote each row of the tables, and where it lies."""
    return {name: ask(dsn, f"SELECT id, xmin::text, ctid::text FROM sample.{name}") for name in TABLES}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A sample whose last file to be filled holds a row that is no point."""
    folder = tmp_path / "migrations_sample"
    shutil.copytree(FOLDER, folder)
    with (folder / "data" / "liechtenstein_pois.csv").open("a", encoding="utf-8") as pois:
        pois.write("999999,castle,Nowhere,POINT(9.5)\n")
    return folder


def test_every_csv_row_arrives(database: str) -> None:
    loaded = load(database)
    expected = {table: len(csv_rows(table)) for table in TABLES}
    expected["capitals"] = sum(city["feature_code"] == "PPLC" for city in csv_rows("cities"))
    roads = csv_rows("liechtenstein_roads")
    expected["liechtenstein_named_roads"] = sum(road["name"] != "" for road in roads)
    assert loaded == expected
    assert counts(database) == expected


def test_values_are_those_of_the_csv(sample_database: str) -> None:
    for table in TABLES:
        columns = [column for column in csv_rows(table)[0] if column not in ("wkt", "lon", "lat", "id")]
        values = ", ".join(f"{column}::text" for column in columns)
        stored = {row[0]: row[1:] for row in ask(sample_database, f"SELECT id, {values} FROM sample.{table}")}
        words = {"t": "true", "f": "false", "": None}
        flags = ("oneway", "tunnel", "bridge")
        assert stored == {
            int(row["id"]): tuple(words[row[c]] if c in flags else row[c] or None for c in columns)
            for row in csv_rows(table)
        }


def test_geometry_columns_are_typed(sample_database: str) -> None:
    columns = ask(
        sample_database,
        "SELECT f_table_name::text, type::text, srid FROM geometry_columns WHERE f_table_schema = 'sample'"
        " UNION ALL"
        " SELECT f_table_name::text, 'geography ' || type, srid FROM geography_columns"
        " WHERE f_table_schema = 'sample'",
    )
    assert {name: (kind, srid) for name, kind, srid in columns} == {
        "countries": ("MULTIPOLYGON", 4326),
        "cities": ("POINT", 4326),
        "capitals": ("POINT", 4326),
        "liechtenstein_roads": ("LINESTRING", 4326),
        "liechtenstein_named_roads": ("LINESTRING", 4326),
        "liechtenstein_landuse": ("POLYGON", 4326),
        "liechtenstein_buildings": ("POLYGON", 2056),
        "liechtenstein_pois": ("geography Point", 4326),
    }


def test_geometries_are_those_of_the_csv(sample_database: str) -> None:
    same = {
        "countries": "geom = ST_GeomFromText(wkt, 4326)",
        "liechtenstein_roads": "geom = ST_GeomFromText(wkt, 4326)",
        "liechtenstein_landuse": "geom = ST_GeomFromText(wkt, 4326)",
        "liechtenstein_pois": "geog::geometry = ST_GeomFromText(wkt, 4326)",
        # To LV95 and back, PROJ is a millimetre off; 1e-7 degrees are a centimetre.
        "liechtenstein_buildings": "ST_HausdorffDistance(ST_Transform(geom, 4326), ST_GeomFromText(wkt, 4326)) < 1e-7",
    }
    with psycopg.connect(sample_database) as connection:
        for table, condition in same.items():
            given = [(int(row["id"]), row["wkt"]) for row in csv_rows(table)]
            counted = connection.execute(
                f"SELECT count(*) FILTER (WHERE {condition})"
                " FROM unnest(%s::int[], %s::text[]) AS given (id, wkt)"
                f" JOIN sample.{table} USING (id)".encode(),
                [[row[0] for row in given], [row[1] for row in given]],
            ).fetchone()
            assert counted == (len(given),), table
        places = connection.execute("SELECT id, ST_X(geom), ST_Y(geom) FROM sample.cities").fetchall()
    assert {row[0]: row[1:] for row in places} == {
        int(city["id"]): (float(city["lon"]), float(city["lat"])) for city in csv_rows("cities")
    }


def test_capitals_have_their_country_also_where_natural_earth_has_no_code(sample_database: str) -> None:
    countries = dict(ask(sample_database, "SELECT name, country FROM sample.capitals"))
    assert {city: countries[city] for city in ("Nairobi", "Paris", "Oslo", "Windhoek")} == {
        "Nairobi": "Kenya", "Paris": "France", "Oslo": "Norway", "Windhoek": "Namibia",
    }  # fmt: skip
    # Too small for the map, so in no country of it.
    assert sorted(city for city, country in countries.items() if country is None) == [
        "Fort-de-France", "Gibraltar", "Mamoudzou",
    ]  # fmt: skip


def test_comments_name_openstreetmap_and_geonames(sample_database: str) -> None:
    comments = dict(
        ask(
            sample_database,
            "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class"
            " WHERE relnamespace = 'sample'::regnamespace AND relkind IN ('r', 'v', 'm')",
        )
    )
    assert sorted(comments) == RELATIONS
    assert comments.pop("countries") == "Countries of the world, from Natural Earth."
    for name, comment in comments.items():
        words = json.loads(comment)
        assert sorted(words) == ["attribution", "description"]
        assert words["description"].endswith(".")
        source = "© OpenStreetMap contributors" if name.startswith("liechtenstein") else "GeoNames"
        assert source in words["attribution"]
        assert ("CC BY 4.0" in words["attribution"]) == (source == "GeoNames")
    assert ask(sample_database, "SELECT col_description('sample.liechtenstein_landuse'::regclass, 4)") == [
        "Area in square metres"
    ]


def test_tables_have_keys_indexes_and_statistics(database: str) -> None:
    load(database)
    keys = ask(
        database,
        "SELECT conrelid::regclass::text FROM pg_constraint"
        " WHERE connamespace = 'sample'::regnamespace AND contype = 'p' ORDER BY 1",
    )
    assert keys == [f"sample.{table}" for table in TABLES]
    indexed = ask(
        database,
        "SELECT tablename FROM pg_indexes WHERE schemaname = 'sample' AND indexdef LIKE '%USING gist%'"
        " ORDER BY 1",
    )
    assert indexed == sorted([*TABLES, "capitals"])
    estimated = dict(
        ask(
            database,
            "SELECT relname, reltuples::int FROM pg_class"
            " WHERE relnamespace = 'sample'::regnamespace AND relkind IN ('r', 'm')",
        )
    )
    views = ("liechtenstein_named_roads",)
    assert estimated == {name: rows for name, rows in counts(database).items() if name not in views}
    assert ask(database, "SELECT ST_EstimatedExtent('sample', 'cities', 'geom') IS NOT NULL") == [True]


def test_second_load_writes_nothing(database: str) -> None:
    first = load(database)
    before = content(database)
    versions = row_versions(database)
    assert load(database) == first
    assert content(database) == before
    assert row_versions(database) == versions


def test_load_puts_changed_rows_right(database: str) -> None:
    load(database)
    before = content(database)
    change(database, "UPDATE sample.countries SET name = 'Atlantis' WHERE id < 9")
    change(database, "DELETE FROM sample.cities WHERE country = 'CH'")
    change(database, "UPDATE sample.liechtenstein_roads SET name = NULL")
    change(database, "UPDATE sample.liechtenstein_buildings SET geom = ST_Translate(geom, 10, 0)")
    change(database, "INSERT INTO sample.liechtenstein_pois VALUES (-1, 'castle', 'Spain', 'POINT(-4 40)')")
    change(database, "REFRESH MATERIALIZED VIEW sample.capitals WITH DATA")
    assert content(database) != before
    load(database)
    assert content(database) == before


def test_what_others_added_to_the_schema_stays(database: str) -> None:
    load(database)
    change(database, "CREATE TABLE sample.mine AS SELECT * FROM sample.cities LIMIT 5")
    change(database, "CREATE VIEW sample.roads_of_mine AS SELECT * FROM sample.liechtenstein_roads")
    change(database, "ALTER TABLE sample.countries ADD COLUMN visited boolean")
    change(database, "UPDATE sample.countries SET visited = true")
    assert "mine" not in load(database)
    assert ask(database, "SELECT count(*) FROM sample.mine") == [5]
    assert ask(database, "SELECT count(*) FROM sample.roads_of_mine") == [2751]
    assert ask(database, "SELECT DISTINCT visited FROM sample.countries") == [True]


def test_loads_at_the_same_time_give_one_sample(database: str) -> None:
    results: list[dict[str, int] | Exception] = []
    start = threading.Barrier(3)

    def run() -> None:
        start.wait(10)
        try:
            results.append(load(database))
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [counts(database)] * 3
    assert [counts(database)[table] for table in TABLES] == [len(csv_rows(table)) for table in TABLES]


def test_readers_and_load_do_not_wait_for_each_other(database: str) -> None:
    load(database)
    change(database, "DELETE FROM sample.cities WHERE country = 'CH'")
    with psycopg.connect(database) as reader:
        # The locks of these reads are held until the transaction ends; the load has to finish before.
        for name in RELATIONS:
            reader.execute(f"SELECT count(*) FROM sample.{name}".encode())
        done = threading.Thread(target=load, args=[database])
        done.start()
        done.join(30)
        assert not done.is_alive()
        assert reader.execute("SELECT count(*) FROM sample.cities").fetchone() == (24323,)


def test_failed_first_load_leaves_nothing(database: str, broken: Path) -> None:
    before = ask(database, "SELECT oid FROM pg_class ORDER BY oid")
    with pytest.raises(SampleError, match=r"007_liechtenstein_pois\.sql failed\. Nothing") as failure:
        load(database, folder=broken)
    assert ask(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'sample'") == [0]
    assert ask(database, "SELECT oid FROM pg_class ORDER BY oid") == before
    assert "parse error - invalid geometry" in failure.value.__notes__[0]


def test_failed_later_load_changes_nothing(database: str, broken: Path) -> None:
    load(database)
    before = content(database)
    # Fewer cities than are stored, which would be deleted before the broken file's turn comes.
    cities = broken / "data" / "cities.csv"
    cities.write_bytes(b"".join(cities.read_bytes().splitlines(keepends=True)[:100]))
    with pytest.raises(SampleError):
        load(database, folder=broken)
    assert content(database) == before


@pytest.mark.parametrize("rest", ["", "id,name\n1,too,many\n", 'id,name\n1,"never closed\n'])
def test_file_that_is_no_table_is_named(database: str, broken: Path, rest: str) -> None:
    (broken / "data" / "cities.csv").write_text(rest, encoding="utf-8")
    with pytest.raises(SampleError, match=r"cities\.(csv|sql) failed"):
        load(database, folder=broken)
    assert ask(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'sample'") == [0]


def test_schema_of_somebody_else_is_left_alone(database: str) -> None:
    change(database, "CREATE SCHEMA sample; CREATE TABLE sample.cities AS SELECT 1 AS id, 'Mine' AS name")
    with pytest.raises(SampleError, match="a schema named sample that Flagstone did not make"):
        load(database)
    assert ask(database, "SELECT * FROM sample.cities") == [(1, "Mine")]
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'sample'::regnamespace"
    assert ask(database, tables) == ["cities"]


def test_postgis_may_live_in_any_schema(database: str) -> None:
    change(database, 'DROP EXTENSION postgis; CREATE SCHEMA "Gis Place"')
    change(database, 'CREATE EXTENSION postgis SCHEMA "Gis Place"')
    first = load(database)
    assert load(database) == first == counts(database)
    assert [first[table] for table in TABLES] == [len(csv_rows(table)) for table in TABLES]
    srid = 'SELECT DISTINCT "Gis Place".ST_SRID(geom) FROM sample.liechtenstein_buildings'
    assert ask(database, srid) == [2056]


def test_missing_postgis_is_created(database: str) -> None:
    change(database, "DROP EXTENSION postgis")
    assert load(database)["capitals"] == 202


def test_missing_postgis_that_may_not_be_created_is_explained(database: str, login: Login) -> None:
    change(database, "DROP EXTENSION postgis")
    with pytest.raises(SampleError, match="Let a superuser run there: CREATE EXTENSION postgis;"):
        load(login(database, "sample_loader"))


def test_login_that_may_not_create_a_schema_is_told(database: str, login: Login) -> None:
    with pytest.raises(SampleError, match=r"001_schema\.sql failed") as failure:
        load(login(database, "sample_loader"))
    assert failure.value.__notes__[0].startswith("permission denied for database")


def test_login_that_may_create_schemas_needs_no_more(database: str, login: Login) -> None:
    name = conninfo_to_dict(database)["dbname"]
    loader = login(database, "sample_loader", f'GRANT CREATE ON DATABASE "{name}" TO sample_loader')
    assert load(loader) == load(loader) == counts(database)


def test_login_with_other_defaults_loads_all_the_same(database: str) -> None:
    odd = (
        "-c default_transaction_read_only=on -c default_transaction_isolation=serializable"
        " -c statement_timeout=50 -c search_path=nowhere -c standard_conforming_strings=off"
    )
    assert load(make_conninfo(database, options=odd, client_encoding="LATIN1"))["capitals"] == 202
    assert ask(database, "SELECT name FROM sample.liechtenstein_landuse WHERE id = 52") == ["Sägaweier"]


def test_report_hears_of_every_file(database: str) -> None:
    heard: list[tuple[str, int]] = []
    rows = load(database, lambda file, count: heard.append((file, count)))
    files = [path.name for path in [*sorted(FOLDER.glob("data/*.csv")), *sorted(FOLDER.glob("*.sql"))]]
    assert [file for file, _ in heard] == files
    assert dict(heard)["cities.csv"] == dict(heard)["003_cities.sql"] == rows["cities"]


def test_folder_without_a_sample_is_named(database: str, tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="There is no sample in"):
        load(database, folder=tmp_path / "migrations_sample")


def test_silent_database_is_told_without_secrets() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets the port, and nobody answers
        port = listener.getsockname()[1]
        with pytest.raises(DatabaseDown) as failure:
            load(f"postgresql://flagstone:s3cret@127.0.0.1:{port}/nowhere")
    assert "s3cret" not in str(failure.value)


def test_conninfo_that_is_none_is_told_without_secrets() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as failure:
        load("postgresql//flagstone:s3cret@127.0.0.1/nowhere")
    assert "s3cret" not in str(failure.value)


def test_command_lists_what_it_loaded(database: str, make_app: MakeApp) -> None:
    runner = make_app(DATABASE_URL=database).test_cli_runner()
    result = runner.invoke(args=["sample", "load", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {f"sample.{name}": rows for name, rows in counts(database).items()}
    assert result.stderr == ""
    result = runner.invoke(args=["sample", "load"])
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()][:2] == [
        ["sample.countries", "241", "rows"], ["sample.cities", "24,323", "rows"],
    ]  # fmt: skip


def test_command_fails_with_the_reason(database: str, make_app: MakeApp) -> None:
    change(database, "CREATE SCHEMA sample")
    runner = make_app(DATABASE_URL=database).test_cli_runner()
    result = runner.invoke(args=["sample", "load"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "that Flagstone did not make" in result.stderr
    assert runner.invoke(args=["sample", "load", "--format", "xml"]).exit_code == 2
