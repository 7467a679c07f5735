"""Settings: where they come from, what refuses them, what is shown of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import CacheRule, Settings, host_and_port
from tests.conftest import MakeApp

CHECKOUT = Path(__file__).parent.parent


def test_env_example_lists_every_setting_with_its_default() -> None:
    text = (CHECKOUT / ".env.example").read_text()
    listed = dict(re.findall(r"^# ?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
    assert listed.keys() == Settings.variables()
    assert list(listed) == [name for name, *_ in Settings.table()]
    for name, default, help_text, _others in Settings.table():
        if default is not None:
            shown = ",".join(default) if isinstance(default, tuple) else str(default).lower() if isinstance(default, bool) else str(default)
            assert listed[name] == shown, name
        assert help_text in text, name


def test_every_setting_has_help_and_a_unit_in_its_name_or_text() -> None:
    for name, default, help_text, _others in Settings.table():
        assert help_text.endswith("."), name
        if name.endswith(("_MS", "_S")):
            assert re.search(r"milliseconds|[Ss]econds|Time limit", help_text), name
        assert isinstance(default, (str, int, float, bool, tuple, type(None)))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"PORT": "abc"}, "PORT"),
        ({"PORT": "70000"}, "PORT: Input should be less than or equal to 65535"),
        ({"FLAGSTONE_LOG_FORMAT": "xml"}, "FLAGSTONE_LOG_FORMAT: Input should be 'text' or 'json'"),
        ({"FLAGSTONE_TRANSACTION_POOLING": "perhaps"}, "FLAGSTONE_TRANSACTION_POOLING"),
        ({"FLAGSTONE_PUBLIC_URL": "maps.example.org"}, "FLAGSTONE_PUBLIC_URL"),
        ({"FLAGSTONE_CACHE_RULES": "roads"}, "FLAGSTONE_CACHE_RULES: 'roads' is not `layer=seconds`"),
        ({"FLAGSTONE_CACHE_RULES": "roads@9-2=5"}, "the first zoom is above the last"),
        ({"CACHE_TYPE": "RedisCache"}, "CACHE_REDIS_URL"),
        ({"CACHE_TYPE": "RedisSentinelCache"}, "needs CACHE_REDIS_SENTINELS"),
        ({"CACHE_TYPE": "RedisClusterCache"}, "needs CACHE_REDIS_CLUSTER or CACHE_REDIS_URL"),
        ({"CACHE_TYPE": "RedisClusterCache", "CACHE_REDIS_CLUSTER": "a:1", "CACHE_REDIS_DB": "3"}, "CACHE_REDIS_DB: a cluster has"),
        *[({"CACHE_REDIS_SENTINELS": wrong}, "CACHE_REDIS_SENTINELS: ") for wrong in (
            "sentinel", "sentinel:", ":26379", "a:1,b", "a:0", "a:65536", "a b:1", "::1:26379")],
        *[({"CACHE_TYPE": kind}, "CACHE_TYPE: Input should be 'memory', 'RedisCache', 'RedisSentinelCache'") for kind in (
            "SimpleCache", "MemcachedCache", "FileSystemCache", "flask_caching.backends.FileSystemCache", "nosuch.thing",
            "os.path", "Memory")],
        ({"FLAGSTONE_DEFAULT_MINZOOM": "9", "FLAGSTONE_DEFAULT_MAXZOOM": "3"}, "FLAGSTONE_DEFAULT_MINZOOM"),
        ({"FLAGSTONE_TILE_BUFFER": "1000"}, "FLAGSTONE_TILE_BUFFER"),
        ({"DB_MAX_CONN_SIZE": "0"}, "DB_MAX_CONN_SIZE"),
        ({"FLAGSTONE_NO_SUCH": "1"}, "FLAGSTONE_NO_SUCH"),
        *[({"FLAGSTONE_CORS_ORIGINS": wrong}, f"FLAGSTONE_CORS_ORIGINS: '{wrong}' is neither") for wrong in (
            "maps.example.org", "https://maps.example.org/map", "https://a b")],
        *[({name: "99999999999999999999"}, f"{name}: Input should be less") for name in (
            "FLAGSTONE_CACHE_TTL_S", "FLAGSTONE_CACHE_FOLLOWED_TTL_S", "FLAGSTONE_HTTP_MAX_AGE_S")],
    ],
)
def test_wrong_value_is_refused_with_the_variable_s_name(values: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.of(**values)
    assert said in str(refused.value)


@pytest.mark.parametrize("given", ["[::1]:26380, redis-1:26379", [("[::1]", 26380), ("redis-1", 26379)]])
def test_addresses_are_texts_or_flask_caching_s_pairs(given: object) -> None:
    found = Settings.of(CACHE_TYPE="RedisSentinelCache", CACHE_REDIS_SENTINELS=given)
    assert found.cache_redis_sentinels == ("[::1]:26380", "redis-1:26379")
    assert [host_and_port(address) for address in found.cache_redis_sentinels] == [("::1", 26380), ("redis-1", 26379)]


def test_unknown_grid_is_refused_at_the_start(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="FLAGSTONE_DEFAULT_TMS"):
        make_app("postgresql://nowhere/x", FLAGSTONE_DEFAULT_TMS="Mercator")


def test_secrets_never_show() -> None:
    settings = Settings.of(DATABASE_URL="postgresql://u:hunter2@h/d", POSTGRES_PASS="hunter2", CACHE_REDIS_URL="redis://:hunter2@h")
    assert "hunter2" not in repr(settings) + str(settings) + str(settings.shown())
    with pytest.raises(ConfigurationError) as refused:
        Settings.of(DATABASE_URL=["hunter2"])
    assert "hunter2" not in str(refused.value)


def test_old_names_are_aliases() -> None:
    settings = Settings.of(TIMVT_TILE_RESOLUTION="512", TIMVT_TILE_BUFFER="16", TIMVT_CORS_ORIGINS="https://a,https://b",
                           TIMVT_CACHECONTROL="public, max-age=77", DB_MAX_CONN_SIZE="3", DB_SCHEMAS='["a", "b"]',
                           CACHE_DEFAULT_TIMEOUT="9", TIMVT_MAX_FEATURES_PER_TILE="5")  # fmt: skip
    assert (settings.tile_extent, settings.tile_buffer, settings.max_features) == (512, 16, 5)
    assert settings.cors_origins == ("https://a", "https://b")
    assert (settings.http_max_age_s, settings.pool_size, settings.cache_ttl_s) == (77, 3, 9)
    assert settings.schemas == ("a", "b")


def test_our_name_wins_over_the_old_one() -> None:
    assert Settings.of(TIMVT_TILE_BUFFER="16", FLAGSTONE_TILE_BUFFER="32").tile_buffer == 32


def test_cache_rules() -> None:
    rules = Settings.of(FLAGSTONE_CACHE_RULES="public.*@0-6=3600, a@-10=0, b=5").cache_rules
    assert rules == (CacheRule("public.*", 0, 6, 3600), CacheRule("a", -10, -10, 0), CacheRule("b", -99, 99, 5))


class TestLoading:
    """In a process of its own, as flask and gunicorn read them."""

    def shown(self, directory: Path, variables: dict[str, str], expression: str) -> subprocess.CompletedProcess[str]:
        program = f"from app.settings import Settings; s = Settings.load(); print({expression})"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **variables}
        return subprocess.run([sys.executable, "-c", program], cwd=directory, env=environment, capture_output=True, text=True)

    def test_env_file_never_overrides_the_environment(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=9001\nFLAGSTONE_THREADS=3\nPGSERVICEFILE=/somewhere\n")
        answer = self.shown(tmp_path, {"PORT": "9002"}, "s.port, s.threads, __import__('os').environ['PGSERVICEFILE']")
        assert answer.stdout.strip() == "9002 3 /somewhere"

    def test_env_file_is_found_upwards_as_flask_does(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=9001\n")
        (tmp_path / "below").mkdir()
        assert self.shown(tmp_path / "below", {}, "s.port").stdout.strip() == "9001"

    def test_empty_variable_is_not_set(self, tmp_path: Path) -> None:
        assert self.shown(tmp_path, {"PORT": "", "DATABASE_URL": ""}, "s.port, s.database_url").stdout.strip() == "8081 None"

    def test_a_name_that_is_none_is_told_with_the_nearest_one(self, tmp_path: Path) -> None:
        answer = self.shown(tmp_path, {"FLAGSTONE_POOLSIZE": "3", "FLAGSTONE_QQQ": "1"}, "s.name")
        assert answer.stdout.strip() == "Flagstone"
        assert "FLAGSTONE_POOLSIZE is no setting of Flagstone; did you mean FLAGSTONE_POOL_SIZE?" in answer.stderr
        assert "FLAGSTONE_QQQ is no setting of Flagstone" in answer.stderr

    def test_one_notice_for_each_old_name(self, tmp_path: Path) -> None:
        answer = self.shown(tmp_path, {"TIMVT_NAME": "Old", "TIMVT_DEBUG": "1"}, "s.name")
        assert answer.stdout.strip() == "Old"
        assert answer.stderr.count("TIMVT_NAME is read as FLAGSTONE_NAME") == 1
        assert answer.stderr.count("TIMVT_DEBUG has no meaning") == 1


class TestDatabaseAddress:
    def test_postgres_variables(self) -> None:
        settings = Settings.of(POSTGRES_USER="u", POSTGRES_PASS="p w'", POSTGRES_HOST="h", POSTGRES_PORT="5433", POSTGRES_DBNAME="d")
        assert settings.conninfo == {"user": "u", "password": "p w'", "host": "h", "port": 5433, "dbname": "d"}

    def test_database_url_wins(self) -> None:
        assert Settings.of(POSTGRES_USER="u", DATABASE_URL="postgresql://x").conninfo == {"conninfo": "postgresql://x"}

    def test_libpq_s_own_variables_and_service_files(self, sample_database: str, tmp_path: Path) -> None:
        from psycopg.conninfo import conninfo_to_dict

        address = conninfo_to_dict(sample_database)
        service = "\n".join(f"{name}={value}" for name, value in address.items())
        (tmp_path / "services").write_text(f"[maps]\n{service}\n")
        for variables in (
            {"PGSERVICE": "maps", "PGSERVICEFILE": str(tmp_path / "services")},
            {f"PG{name.upper().replace('DBNAME', 'DATABASE')}": str(value) for name, value in address.items()},
        ):
            environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **variables}
            command = [sys.executable, "-m", "flask", "--app", f"{CHECKOUT}/wsgi.py", "catalog", "show", "sample.countries"]
            answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert answer.returncode == 0, answer.stderr
            assert "sample.countries" in answer.stdout
