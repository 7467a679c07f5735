"""Real servers and databases for every test. What is missing skips on a laptop and fails with CI=true."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol

import psycopg
import pytest
from flask import Flask
from werkzeug.routing import Rule

from scripts.lib import packages, postgres
from tests.servers.cluster import private_cluster
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.gunicorn import Gunicorn
from tests.servers.nginx import Nginx
from tests.servers.postgres import DatabaseServer
from tests.servers.redis import RedisServer
from tests.servers.redis_several import RedisNodes, WatchedRedis

ODDITIES = Path(__file__).parent / "oddities"


class MakeApp(Protocol):
    def __call__(self, dsn: str | None = None, **settings: Any) -> Flask: ...


class Serve(Protocol):
    def __call__(self, **settings: Any) -> Gunicorn: ...


class Login(Protocol):
    def __call__(self, dsn: str, role: str, *statements: str, attributes: str = "") -> str: ...


def pytest_configure() -> None:
    # A developer's own settings must not change what the tests see.
    ours = ("FLAGSTONE_", "CACHE_", "POSTGRES_", "TIMVT_", "DB_")
    exactly = ("DATABASE_URL", "PORT", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS")
    for name in [name for name in os.environ if name.startswith(ours) or name in exactly]:
        del os.environ[name]
    _compile_each_rule_once()


def _compile_each_rule_once() -> None:
    """Thousands of applications are made here of the same addresses, and werkzeug writes and compiles code for each of them."""
    compiled = Rule._compile_builder
    kept: dict[tuple[Any, ...], Callable[..., tuple[str, str]]] = {}

    def of_rule(self: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        # All that the code is made of; values that are none of these reach it through the rule.
        made_of = (self.rule, self.host, self.subdomain, repr(self.defaults), tuple(self._trace), append_unknown)
        if made_of not in kept:
            kept[made_of] = compiled(self, append_unknown)
        return kept[made_of]

    Rule._compile_builder = of_rule  # type: ignore[method-assign]


_LONGEST = (
    "test_fuzz", "test_bench_scale", "test_bench", "test_scripts", "test_overview_visible", "test_overview_grids", "test_redis_fresh_tiles",
    "test_overview_build", "test_overview_refresh_jobs", "test_overview_seams", "test_never_wrong", "test_overview_security",
    "test_cql2_fuzz", "test_embedding_package", "test_readme", "test_changes_random",
)  # fmt: skip
"""Files that take longest: the first ones, so that no process is alone with one of them in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _program(need: packages.Need) -> str:
    found = packages.which(need.program) if need.program else None
    return found or _missing(packages.sentence([need]))


@pytest.fixture(scope="session")
def server() -> Iterator[DatabaseServer]:
    with ExitStack() as started:
        dsn = os.environ.get("TEST_DATABASE_URL")
        if dsn is None:
            dsn = started.enter_context(_cluster()).dsn("postgres")
        running = DatabaseServer(dsn)
        started.callback(running.close)
        yield running


@contextmanager
def _cluster() -> Iterator[postgres.Cluster]:
    if postgres.programs() is None:
        _missing(packages.sentence([packages.postgis()]))
    with private_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def server_dsn(server: DatabaseServer) -> str:
    """URL of the running PostgreSQL for its superuser."""
    return server.dsn


@pytest.fixture(scope="session")
def template(server: DatabaseServer) -> str:
    """A database with PostGIS in schema public, of which tests get copies."""
    return _template(server, "CREATE EXTENSION IF NOT EXISTS postgis")


@pytest.fixture(scope="session")
def gis_template(server: DatabaseServer) -> str:
    """A database with PostGIS in schema gis, which is on nobody's search path."""
    return _template(server, "DROP EXTENSION IF EXISTS postgis CASCADE; CREATE SCHEMA gis; CREATE EXTENSION postgis SCHEMA gis")


def _template(server: DatabaseServer, statements: str) -> str:
    made = server.create()
    with psycopg.connect(made, autocommit=True) as connection:
        try:
            connection.execute(statements.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            _missing(f"The login of TEST_DATABASE_URL may not prepare PostGIS: {error.diag.message_primary}.")
    return made


@pytest.fixture
def database(server: DatabaseServer, template: str) -> Iterator[str]:
    """URL of a fresh database with PostGIS in schema public, for its superuser."""
    made = server.create(template)
    yield made
    server.drop(made)


@pytest.fixture
def gis_database(server: DatabaseServer, gis_template: str) -> Iterator[str]:
    """URL of a fresh database with PostGIS in schema gis."""
    made = server.create(gis_template)
    yield made
    server.drop(made)


@pytest.fixture(scope="session")
def sample_database(server: DatabaseServer, template: str) -> str:
    """URL of a database with the sample in it. All tests share it: none may change it."""
    from app.repository import sample

    made = server.create(template)
    sample.load(made)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return made


@pytest.fixture
def own_server() -> Iterator[postgres.Cluster]:
    """A PostgreSQL that this test may stop and start: database `postgres`, with PostGIS."""
    with _cluster() as cluster:
        cluster.sql("CREATE EXTENSION postgis")
        yield cluster


@pytest.fixture
def oddity(database: str) -> Callable[[str], str]:
    """`oddity(name)` runs tests/oddities/<name>.sql in the fresh database and gives its URL."""

    def run(name: str) -> str:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute((ODDITIES / f"{name}.sql").read_bytes())
        return database

    return run


@pytest.fixture
def login(server: DatabaseServer) -> Iterator[Login]:
    """`login(dsn, role, …)` makes a role, runs statements in the database, and gives the database's URL for the role.

    `attributes` is SQL as in CREATE ROLE: NOINHERIT, IN ROLE other.
    """
    with ExitStack() as made:

        def make(dsn: str, role: str, *statements: str, attributes: str = "") -> str:
            given = made.enter_context(server.role(dsn, role, attributes))
            with psycopg.connect(dsn, autocommit=True) as connection:
                for statement in statements:
                    connection.execute(statement.encode())
            return given

        yield make


@pytest.fixture
def make_app(request: pytest.FixtureRequest) -> Iterator[MakeApp]:
    """`make_app(dsn, CACHE_TYPE=…)` gives the Flask application on that database; without one on `database`."""
    from app import create_app
    from app.settings import Settings

    with ExitStack() as made:

        def make(dsn: str | None = None, **settings: Any) -> Flask:
            if dsn is None and "DATABASE_URL" not in settings:
                dsn = request.getfixturevalue("database")
            if dsn is not None:
                settings["DATABASE_URL"] = dsn
            app = create_app(Settings.of(**settings))
            made.callback(app.extensions["flagstone"].close)
            return app

        yield make


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`serve(DATABASE_URL=…)` starts gunicorn with the production configuration; its `url` answers."""
    with ExitStack() as started:

        def start(**settings: Any) -> Gunicorn:
            given = {name: str(value) for name, value in settings.items()}
            running = Gunicorn(tmp_path_factory.mktemp("gunicorn"), given)
            started.callback(running.stop)
            return running

        yield start


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    running = RedisServer(_program(packages.REDIS), tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def redis_url(_shared_redis: RedisServer) -> str:
    """URL of a Redis that is empty at the start of each test that names this fixture."""
    return _shared_redis.url


@pytest.fixture(scope="session")
def _shared_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisNodes]:
    running = RedisNodes(_program(packages.REDIS), tmp_path_factory.mktemp("nodes"))
    yield running
    running.stop()


@pytest.fixture
def redis_nodes(_shared_nodes: RedisNodes) -> RedisNodes:
    """A cluster of three nodes that is empty at the start of each test. No test may leave it other than it was."""
    _shared_nodes.flush()
    return _shared_nodes


@pytest.fixture
def watched_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], WatchedRedis]]:
    """`watched_redis(3)` gives a primary, a replica and three sentinels of this test's own."""
    with ExitStack() as started:

        def start(sentinels: int) -> WatchedRedis:
            running = WatchedRedis(_program(packages.REDIS), tmp_path_factory.mktemp("watched"), sentinels)
            started.callback(running.stop)
            return running

        yield start


@pytest.fixture(autouse=True)
def _empty_redis(request: pytest.FixtureRequest) -> None:
    if "redis_url" in request.fixturenames:
        import redis

        with redis.Redis.from_url(request.getfixturevalue("redis_url")) as client:
            client.flushall()


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that this test may stop and start."""
    running = RedisServer(_program(packages.REDIS), tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, int], Nginx]]:
    """`nginx(http, listen)` starts nginx with that text between the braces of `http { … }`."""
    program = _program(packages.NGINX)
    with ExitStack() as started:

        def start(http: str, listen: int) -> Nginx:
            running = Nginx(program, http, listen, tmp_path_factory.mktemp("nginx"))
            started.callback(running.stop)
            return running

        yield start


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := packages.which(name):
            return found
    _missing(packages.sentence([packages.CHROMIUM]))


@pytest.fixture
def cutting_proxy() -> Iterator[Callable[[str, int], CuttingProxy]]:
    """`cutting_proxy(host, port)` starts a proxy in front of that address, able to cut connections."""
    with ExitStack() as started:

        def start(target_host: str, target_port: int) -> CuttingProxy:
            running = CuttingProxy(target_host, target_port)
            started.callback(running.stop)
            return running

        yield start
