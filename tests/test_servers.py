"""The servers that the other tests stand on do what their fixtures say."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable

import psycopg
import pytest
import redis

from scripts.lib import CHECKOUT
from scripts.lib.postgres import Cluster
from tests.conftest import Login
from tests.servers import port, postgres
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.nginx import Nginx
from tests.servers.postgres import DatabaseServer
from tests.servers.redis import RedisServer


@pytest.mark.parametrize("_", range(2))
def test_each_test_has_a_database_of_its_own(database: str, _: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE of_this_test (place geometry)")


def test_postgis_can_live_outside_public(gis_database: str) -> None:
    with psycopg.connect(gis_database) as connection:
        row = connection.execute("SELECT to_regtype('geometry') IS NULL, to_regtype('gis.geometry') IS NOT NULL").fetchone()
    assert row == (True, True)


def test_login_is_a_role_without_privileges(database: str, login: Login) -> None:
    reader = login(database, "reader", "CREATE TABLE seen (n int)", "CREATE TABLE hidden (n int)", "GRANT SELECT ON seen TO reader")
    with psycopg.connect(reader, autocommit=True) as connection:
        assert connection.execute("SELECT current_user, usesuper FROM pg_user WHERE usename = current_user").fetchone() == (
            "reader", False,
        )  # fmt: skip
        connection.execute("SELECT n FROM seen")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT n FROM hidden")


def test_role_that_the_tests_did_not_make_is_left_alone(database: str, login: Login) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        (somebody,) = connection.execute("SELECT current_user").fetchone() or ("",)
    with pytest.raises(RuntimeError, match="the tests leave it alone"):
        login(database, somebody)


def test_databases_of_a_killed_run_are_removed_by_the_next(server_dsn: str, server: DatabaseServer) -> None:
    code = (
        "import os, sys; from tests.servers.postgres import DatabaseServer\n"
        "print(DatabaseServer(sys.argv[1]).create(), flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, server_dsn], cwd=CHECKOUT, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    left_over = killed.stdout.strip()
    living = server.create()
    # The server notices only after a moment that the killed run's lock is free.
    for _ in range(50):
        DatabaseServer(server_dsn).close()
        try:
            psycopg.connect(left_over).close()
        except psycopg.OperationalError:
            break
    else:
        pytest.fail("the database of the killed run is still there")
    psycopg.connect(living).close()
    server.drop(living)


def test_own_server_comes_back_with_its_data(own_server: Cluster) -> None:
    own_server.sql("CREATE TABLE kept AS SELECT 1 AS n")
    before = own_server.dsn("postgres")
    own_server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(before)
    own_server.start()
    with psycopg.connect(own_server.dsn("postgres")) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


def test_proxy_cuts_connections_and_lets_new_ones_pass(
    database: str, cutting_proxy: Callable[[str, int], CuttingProxy]
) -> None:
    with psycopg.connect(database) as direct:
        proxy = cutting_proxy(direct.info.host, direct.info.port)
    through = proxy.dsn(database)
    with psycopg.connect(through, autocommit=True) as connection:
        connection.execute("SELECT 1")
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    psycopg.connect(through).close()
    proxy.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(through)
    proxy.start()
    psycopg.connect(through).close()


def test_redis_comes_back_empty(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("key", "value")
        redis_server.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        redis_server.start()
        assert client.get("key") is None


@pytest.mark.parametrize("_", range(2))
def test_shared_redis_is_empty_for_each_test(redis_url: str, _: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("key", "value")


def test_nginx_serves_what_it_is_given(nginx: Callable[[str, int], Nginx]) -> None:
    listen = port.free()
    running = nginx(f"server {{ listen 127.0.0.1:{listen}; return 200 'here'; }}", listen)
    with urllib.request.urlopen(running.url, timeout=10) as answer:
        assert answer.read() == b"here"


def test_url_keeps_what_it_does_not_change() -> None:
    given = "host=/tmp/a user='o\\'neil' dbname='a b' application_name='x y'"
    assert postgres.url(given, user="p%") == "postgresql://p%25@/a%20b?host=%2Ftmp%2Fa&application_name=x%20y"
    assert psycopg.conninfo.conninfo_to_dict(postgres.url(given)) == psycopg.conninfo.conninfo_to_dict(given)


def test_own_settings_of_the_developer_are_not_seen() -> None:
    assert not [name for name in os.environ if name.startswith(("FLAGSTONE_", "CACHE_")) or name == "DATABASE_URL"]
