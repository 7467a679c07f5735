"""The commands, without gunicorn: what they print, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from mapbox_vector_tile import decode

CHECKOUT = Path(__file__).parent.parent


def flask(*arguments: str, dsn: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **variables}
    if dsn is not None:
        environment["DATABASE_URL"] = dsn
    command = [sys.executable, "-m", "flask", "--app", f"{CHECKOUT}/wsgi.py", *arguments]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_help_works_without_a_database() -> None:
    answer = flask("--help", dsn="postgresql://127.0.0.1:1/none")
    assert answer.returncode == 0
    for group in ("catalog", "config", "sample", "tiles"):
        assert group in answer.stdout


class TestTilesGet:
    def test_features_as_a_table_and_as_json(self, sample_database: str) -> None:
        answer = flask("tiles", "get", "sample.countries", "4", "8", "5", "--columns", "name", dsn=sample_database)
        assert answer.returncode == 0, answer.stderr
        assert '{"name": "Switzerland"}' in answer.stdout
        document = json.loads(flask("tiles", "get", "countries,cities", "4", "8", "5", "--format", "json", dsn=sample_database).stdout)
        assert set(document) == {"sample.countries", "sample.cities"}

    def test_file_is_the_tile_of_the_server(self, sample_database: str, tmp_path: Path) -> None:
        file = tmp_path / "tile.mvt"
        answer = flask("tiles", "get", "sample.countries", "0", "0", "0", "--output", str(file), dsn=sample_database)
        assert answer.returncode == 0, answer.stderr
        assert len(decode(file.read_bytes())["sample.countries"]["features"]) > 200

    def test_a_file_that_cannot_be_is_a_sentence(self, sample_database: str, tmp_path: Path) -> None:
        for place in (tmp_path / "none" / "tile.mvt", tmp_path):
            answer = flask("tiles", "get", "sample.countries", "0", "0", "0", "--output", str(place), dsn=sample_database)
            assert answer.returncode == 1
            assert str(place) in answer.stderr and "Traceback" not in answer.stderr

    def test_standard_output_gets_the_tile_itself(self, sample_database: str, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "flask", "--app", f"{CHECKOUT}/wsgi.py", "tiles", "get", "sample.countries", "0", "0", "0"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "DATABASE_URL": sample_database}
        answer = subprocess.run([*command, "--output", "-"], cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=True)
        assert len(decode(answer.stdout)["sample.countries"]["features"]) > 200
        assert list(tmp_path.iterdir()) == []

    def test_negative_zoom_is_an_argument(self, sample_database: str) -> None:
        answer = flask("tiles", "get", "sample.countries", "-10", "0", "0", "--grid", "CDB1GlobalGrid", dsn=sample_database)
        assert answer.returncode == 0, answer.stderr

    def test_cut_is_said(self, sample_database: str) -> None:
        answer = flask("tiles", "get", "sample.countries", "0", "0", "0", "--limit", "2", "--columns", "", dsn=sample_database)
        assert "the limit or the budget cut this tile" in answer.stderr

    @pytest.mark.parametrize(("layer", "tile", "said"), [("nope", "0/0/0", "no layer"), ("sample.countries", "1/5/0", "outside"),
                                                         ("sample.countries", "x/0/0", "whole number")])  # fmt: skip
    def test_what_is_not_there_is_exit_code_1_and_a_sentence(self, sample_database: str, layer: str, tile: str, said: str) -> None:
        answer = flask("tiles", "get", layer, *tile.split("/"), dsn=sample_database)
        assert answer.returncode == 1
        assert said in answer.stderr and "Traceback" not in answer.stderr

    def test_unknown_layer_ends_with_the_nearest_name(self, sample_database: str) -> None:
        answer = flask("tiles", "get", "sample.country", "0", "0", "0", dsn=sample_database)
        assert "Did you mean sample.countries" in answer.stderr

    def test_wrong_usage_is_exit_code_2(self, sample_database: str) -> None:
        assert flask("tiles", "get", "sample.countries", dsn=sample_database).returncode == 2


class TestConfig:
    def test_show_hides_secrets(self, sample_database: str) -> None:
        for form in ("table", "json"):
            answer = flask("config", "show", "--format", form, dsn="postgresql://u:hunter2@127.0.0.1:1/x", POSTGRES_PASS="hunter2")
            assert answer.returncode == 0, answer.stderr
            assert "hunter2" not in answer.stdout + answer.stderr
            assert "********" in answer.stdout and "FLAGSTONE_TILE_BUFFER" in answer.stdout

    def test_check_says_what_is_served(self, sample_database: str) -> None:
        answer = flask("config", "check", dsn=sample_database)
        assert answer.returncode == 0, answer.stderr
        assert "12 layers" in answer.stdout

    def test_check_as_json_has_the_same(self, sample_database: str, database: str) -> None:
        found = {}
        for dsn in (sample_database, database):
            answer = flask("config", "check", "--format", "json", dsn=dsn)
            found[dsn] = json.loads(answer.stdout)
            assert answer.returncode == (1 if found[dsn]["problems"] else 0), answer.stderr
        assert found[sample_database]["layers"] == 12
        assert found[sample_database]["problems"] == []
        assert found[database]["layers"] == 0
        assert found[database]["problems"] == ["nothing to serve: no relation has a geometry column"]

    def test_check_names_rules_that_hold_for_no_layer(self, sample_database: str) -> None:
        answer = flask("config", "check", dsn=sample_database, FLAGSTONE_CACHE_RULES="sample.r*@0-6=60,capitals=5,sample.*=9")
        assert answer.returncode == 1
        assert "FLAGSTONE_CACHE_RULES: no layer has an id like capitals." in answer.stderr
        assert answer.stderr.count("FLAGSTONE_CACHE_RULES") == 1

    def test_check_of_nothing_is_exit_code_1(self, database: str) -> None:
        answer = flask("config", "check", dsn=database)
        assert answer.returncode == 1
        assert "nothing to serve: no relation has a geometry column" in answer.stderr

    def test_check_of_what_was_left_out_leads_to_the_reasons(self, database: str) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE unknown (geom geometry(Point, 999000))")
        answer = flask("config", "check", dsn=database)
        assert answer.returncode == 1
        assert "flask catalog list --rejected" in answer.stderr
        assert "unknown" in flask("catalog", "list", "--rejected", dsn=database).stdout

    @pytest.mark.parametrize("command", [("config", "check"), ("catalog", "list"), ("sample", "load")])
    def test_no_database_at_all_is_said_to_be_none(self, command: tuple[str, str]) -> None:
        defaults = "DATABASE_URL is not set; libpq's defaults were tried."
        answer = flask(*command, PGAPPNAME="test")
        if answer.returncode == 0 or "does not answer" not in answer.stderr:
            pytest.skip("a database answers at libpq's defaults")
        assert defaults in answer.stderr
        assert defaults not in flask(*command, PGHOST="127.0.0.1", PGPORT="1").stderr

    def test_check_without_database_is_exit_code_1_and_keeps_the_secret(self) -> None:
        answer = flask("config", "check", dsn="postgresql://u:hunter2@127.0.0.1:1/x", FLAGSTONE_POOL_TIMEOUT_MS="300")
        assert answer.returncode == 1
        assert "database" in answer.stderr and "hunter2" not in answer.stderr and "Traceback" not in answer.stderr

    def test_check_tries_redis_and_the_admin_login_too(self, sample_database: str, redis_url: str) -> None:
        kept = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url}
        assert flask("config", "check", dsn=sample_database, FLAGSTONE_ADMIN_DATABASE_URL=sample_database, **kept).returncode == 0
        silent = flask("config", "check", dsn=sample_database, CACHE_TYPE="RedisCache", CACHE_REDIS_URL="redis://127.0.0.1:1/0")
        assert silent.returncode == 1
        assert "12 layers" in silent.stdout and "Redis does not answer" in silent.stderr
        stranger = flask("config", "check", dsn=sample_database, FLAGSTONE_ADMIN_DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/x")
        assert stranger.returncode == 1
        assert "FLAGSTONE_ADMIN_DATABASE_URL" in stranger.stderr
        assert "hunter2" not in stranger.stderr and "Traceback" not in stranger.stderr

    @pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1/0", "redis://127.0.0.1:port/0"])
    def test_an_address_that_is_none_of_redis_stops_the_start(self, url: str) -> None:
        answer = flask("config", "check", dsn="postgresql://x", CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url)
        assert answer.returncode != 0
        assert "CACHE_REDIS_URL" in answer.stderr and "Traceback" not in answer.stderr

    def test_check_without_postgis_says_so(self, database: str) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DROP EXTENSION postgis CASCADE")
        answer = flask("config", "check", dsn=database)
        assert answer.returncode == 1
        assert "PostGIS" in answer.stderr and "Traceback" not in answer.stderr

    def test_wrong_setting_stops_every_command_with_its_name(self) -> None:
        answer = flask("config", "check", dsn="postgresql://x", PORT="none")
        assert answer.returncode != 0
        assert "PORT" in answer.stderr and "Traceback" not in answer.stderr
