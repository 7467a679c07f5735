"""Flagstone in somebody else's application: as an installed package, twice in one process, with a host that has its
own ideas about errors, JSON, templates and connections."""

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

import psycopg
import pytest
from flask import Flask, Response, abort, render_template_string, request
from flask.json.provider import DefaultJSONProvider
from mapbox_vector_tile import decode
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from app import Flagstone, Settings
from app.documents.openapi_operations import OPERATIONS
from app.errors import ConfigurationError
from scripts.lib import CHECKOUT, child
from tests.servers import port
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import attributes, decoded, get

TILE = "tiles/places/0/0/0"
MAKE_PLACES = (
    "CREATE TABLE places (id int PRIMARY KEY, name text, people int, geom geometry(Point, 4326));"
    "INSERT INTO places VALUES (1, '{0}', 500, 'SRID=4326;POINT(9.5 47.1)'), (2, 'large {0}', 5000, 'SRID=4326;POINT(9.6 47.2)')"
)


@pytest.fixture(scope="module")
def databases(server: DatabaseServer, template: str) -> Iterator[tuple[str, str]]:
    """Two databases with a table of the same name: places of the world, places of a city."""
    made = (server.create(template), server.create(template))
    for dsn, name in zip(made, ("world", "city"), strict=True):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(MAKE_PLACES.format(name).encode())
    yield made
    for dsn in made:
        server.drop(dsn)


@pytest.fixture
def mounted() -> Iterator[Callable[..., Flagstone]]:
    """`mounted(app, prefix, …)` mounts a Flagstone and closes it in the end."""
    with ExitStack() as made:

        def mount(app: Flask, url_prefix: str, *given: Any, **named: Any) -> Flagstone:
            flagstone = Flagstone(*given, **named)
            flagstone.init_app(app, url_prefix=url_prefix)
            made.callback(flagstone.close)
            return flagstone

        yield mount


@pytest.fixture
def host(databases: tuple[str, str], mounted: Callable[..., Flagstone]) -> Flask:
    """A host with a page of its own, and two Flagstones."""
    app = Flask("host")
    app.add_url_rule("/", view_func=lambda: "the host's page")
    mounted(app, "/world", DATABASE_URL=databases[0])
    mounted(app, "/internal/city", DATABASE_URL=databases[1], name="city")
    return app


# --- two in one process -------------------------------------------------------------------------------------------


def test_each_prefix_serves_its_own_database(host: Flask) -> None:
    assert {each["name"] for each in attributes(host, f"/world/{TILE}")} == {"world", "large world"}
    assert {each["name"] for each in attributes(host, f"/internal/city/{TILE}")} == {"city", "large city"}
    assert {each["name"] for each in attributes(host, f"/world/{TILE}")} == {"world", "large world"}, "from the cache"


@pytest.mark.parametrize("prefix", ["/world", "/internal/city"])
def test_absolute_addresses_hold_the_prefix(host: Flask, prefix: str) -> None:
    document = get(host, f"{prefix}/public.places/tilejson.json").get_json()
    assert document["tiles"] == [f"http://localhost{prefix}/tiles/public.places/{{z}}/{{x}}/{{y}}"]
    assert decoded(get(host, document["tiles"][0].replace("http://localhost", "").format(z=0, x=0, y=0)))
    style = get(host, f"{prefix}/public.places/style.json").get_json()
    assert style["sources"]["flagstone"]["url"] == f"http://localhost{prefix}/public.places/tilejson.json"
    [table] = get(host, f"{prefix}/tables.json").get_json()
    for member in ("tileurl", "tilejson", "style", "viewer"):
        assert table[member].startswith(f"http://localhost{prefix}/")


@pytest.mark.parametrize("prefix", ["/world", "/internal/city"])
def test_every_document_names_addresses_below_the_prefix_alone(host: Flask, prefix: str) -> None:
    filled = {"layer": "public.places", "layers": "public.places", "collectionId": "public.places", "file": "flagstone.css",
              "tileMatrixSetId": "WebMercatorQuad"}  # fmt: skip
    asked = 0
    for path in (operation.path for operations in OPERATIONS.values() for operation in operations):
        address = prefix + re.sub(r"\{(\w+)\}", lambda name: filled.get(name[1], "0"), path)
        with get(host, address, Accept="application/json") as answer:
            if path.startswith(("/function/", "/vendor/")):
                continue
            assert answer.status_code in (200, 301), (address, answer.get_data())
            if "json" in (answer.mimetype or ""):
                found = re.findall(r"http://localhost(/[^\"]*)?", answer.get_data(as_text=True))
                assert all(each.startswith(prefix) for each in found), (address, found)
                asked += len(found)
            if answer.status_code == 301:
                assert urljoin(address, answer.headers["Location"]).startswith(f"{prefix}/"), address
    assert asked > 50


def test_prefix_comes_after_what_a_server_mounts_the_host_under(host: Flask) -> None:
    answer = host.test_client().get("/world/places/tilejson.json", environ_overrides={"SCRIPT_NAME": "/site"})
    assert answer.get_json()["tiles"] == ["http://localhost/site/world/tiles/public.places/{z}/{x}/{y}"]


@pytest.mark.parametrize("path", ["/world/", "/internal/city/", "/internal/city/public.places/viewer"])
def test_pages_link_to_what_answers_below_the_prefix(host: Flask, path: str) -> None:
    text = get(host, path, Accept="text/html").get_data(as_text=True)
    found = {urlsplit(urljoin(path, each)).path for each in re.findall(r'(?:href|src)="([^"]+)"', text)}
    prefix = "/world/" if path.startswith("/world") else "/internal/city/"
    assert f"{prefix}static/flagstone.css" in found
    for each in found:
        assert each.startswith(prefix)
        with get(host, each) as answer:
            assert answer.status_code == 200, each


def test_prefix_without_its_slash_leads_to_the_catalog(host: Flask) -> None:
    answer = host.test_client().get("/world", follow_redirects=True)
    assert answer.request.path == "/world/" and answer.status_code == 200


def test_second_one_without_a_name_of_its_own_is_refused(host: Flask, databases: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="'city'"):
        Flagstone(DATABASE_URL=databases[0], name="city").init_app(host, "/other")


@pytest.mark.parametrize("name", ["a.b", "cache"])
def test_name_that_is_none_or_taken_is_refused(databases: tuple[str, str], name: str) -> None:
    app = Flask("host")
    Flagstone(DATABASE_URL=databases[0]).init_app(app, "/world")
    other = Flagstone(DATABASE_URL=databases[0], name=name)
    with pytest.raises((ConfigurationError, ValueError)):
        other.init_app(app, "/other")


@pytest.mark.parametrize("prefix", ["maps", "/ma ps", "/<tenant>", "//maps", "/maps?x"])
def test_prefix_that_is_no_plain_path_is_refused(databases: tuple[str, str], prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="url_prefix"):
        Flagstone(DATABASE_URL=databases[0]).init_app(Flask("host"), prefix)


def test_settings_are_given_in_one_way(databases: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="FLAGSTONE_NAME"):
        Flagstone(Settings.of(DATABASE_URL=databases[0]), FLAGSTONE_NAME="x")


def test_nothing_opens_before_the_first_request_for_it(host: Flask) -> None:
    assert get(host, "/").get_data() == b"the host's page"
    assert host.extensions["flagstone"].catalog.snapshot is None
    assert host.extensions["city"].pool._pool is None


# --- what stays the host's ----------------------------------------------------------------------------------------


class LoudJSON(DefaultJSONProvider):
    """A host's own idea of JSON."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return f"LOUD {obj!r}"


def _loud_host() -> Flask:
    app = Flask("host")
    app.json = LoudJSON(app)
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    app.add_url_rule("/boom", "boom", lambda: str(1 // 0))
    return app


def test_pages_and_errors_of_the_host_stay_its_own(databases: tuple[str, str], mounted: Callable[..., Flagstone]) -> None:
    paths = ("/json", "/boom", "/nothing", "/static/x", "/world/nothing/at/all/of/it")
    alone, app = _loud_host(), _loud_host()
    mounted(app, "/world", DATABASE_URL=databases[0])
    assert [_answer(app, path) for path in paths] == [_answer(alone, path) for path in paths]
    document = get(app, "/world/places/tilejson.json")
    assert json.loads(document.get_data())["tilejson"] == "3.0.0", "in ours, whatever the host thinks of JSON"
    assert json.loads(get(app, "/world/nothing/tilejson.json").get_data())["status"] == 404
    assert json.loads(get(app, "/world/livez").get_data()) == {"status": "ok"}


def _answer(app: Flask, path: str) -> tuple[int, dict[str, str], bytes]:
    answer = get(app, path, Origin="https://elsewhere.example", X_Request_Id="abc")
    return answer.status_code, dict(answer.headers), answer.get_data()


def test_below_the_prefix_errors_are_problem_documents_with_cors_and_an_id(host: Flask) -> None:
    answer = get(host, "/world/tiles/nothing/0/0/0", X_Request_Id="abc")
    assert answer.status_code == 404 and answer.mimetype == "application/problem+json"
    assert answer.headers["X-Request-Id"] == "abc" and answer.headers["Access-Control-Allow-Origin"] == "*"


def test_error_handler_of_the_host_for_everything_does_not_take_ours(
    databases: tuple[str, str], mounted: Callable[..., Flagstone]
) -> None:
    app = Flask("host")
    app.register_error_handler(Exception, lambda _error: ("the host's", 418))
    mounted(app, "/world", DATABASE_URL=databases[0])
    assert get(app, "/world/tiles/nothing/0/0/0").status_code == 404
    assert get(app, "/nothing").status_code == 418


def test_templates_of_the_host_with_the_same_names_change_nothing(
    tmp_path: Path, databases: tuple[str, str], mounted: Callable[..., Flagstone]
) -> None:
    for name in ("layout.html", "catalog.html"):
        (tmp_path / name).write_text("the host's own")
    app = Flask("host", template_folder=str(tmp_path))
    app.jinja_env.globals["site"] = app.jinja_env.globals["top"] = "the host's own"
    app.add_url_rule("/own", view_func=lambda: render_template_string("{% include 'catalog.html' %}"))
    mounted(app, "/world", DATABASE_URL=databases[0])
    page = get(app, "/world/", Accept="text/html")
    assert "the host's own" not in page.get_data(as_text=True) and "public.places" in page.get_data(as_text=True)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert get(app, "/own").get_data() == b"the host's own"


def test_an_empty_part_of_a_path_leads_to_no_other_tile(host: Flask) -> None:
    for path in ("/world/tiles//places/0/0/0", "/world/tiles/places//0/0/0", "/world//tiles/places/0/0/0"):
        assert get(host, path).status_code == 404, path


# --- access control -----------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(databases: tuple[str, str], mounted: Callable[..., Flagstone]) -> Flask:
    app = Flask("host")

    @app.before_request
    def refuse() -> Response | None:
        if request.headers.get("X-Key") == "right":
            return None
        if request.headers.get("X-Key") == "complete":
            abort(Response("a complete answer", 402))
        return abort(401)

    mounted(app, "/world", DATABASE_URL=databases[0], private=True)
    return app


def test_host_refuses_before_anything_of_flagstone_runs(guarded: Flask) -> None:
    for rule in guarded.url_map.iter_rules():
        path = re.sub("<[^>]+>", "x", rule.rule)
        assert get(guarded, path).status_code == 401, path
    assert guarded.extensions["flagstone"].pool._pool is None, "no connection was opened for who is refused"
    assert get(guarded, f"/world/{TILE}", X_Key="right").status_code == 200


def test_refusal_of_the_host_keeps_its_shape(guarded: Flask) -> None:
    assert get(guarded, f"/world/{TILE}", X_Key="complete").get_data() == b"a complete answer"
    refused = get(guarded, f"/world/{TILE}")
    assert refused.mimetype == "application/problem+json" and refused.headers["Access-Control-Allow-Origin"] == "*"


def test_error_page_of_the_host_for_a_status_comes_first(
    databases: tuple[str, str], mounted: Callable[..., Flagstone]
) -> None:
    app = Flask("host")
    app.before_request(lambda: abort(403))
    app.register_error_handler(403, lambda _error: ("the host's page", 403))
    mounted(app, "/world", DATABASE_URL=databases[0])
    assert get(app, f"/world/{TILE}").get_data() == b"the host's page"


def test_private_answers_stay_out_of_shared_caches(guarded: Flask) -> None:
    for path in (TILE, "tiles/places/3/0/0", "places/tilejson.json", "static/flagstone.css"):
        with get(guarded, f"/world/{path}", X_Key="right") as answer:
            assert "public" not in answer.headers.get("Cache-Control", ""), path
    assert "private" in get(guarded, f"/world/{TILE}", X_Key="right").headers["Cache-Control"]


# --- a pool of the host's -----------------------------------------------------------------------------------------


class OddConnection(psycopg.Connection[Any]):
    """A host's connection class, with rows as dictionaries and statements of its own."""


@pytest.fixture
def pool(databases: tuple[str, str]) -> Iterator[ConnectionPool[Any]]:
    def configure(connection: psycopg.Connection[Any]) -> None:
        connection.adapters.register_loader("int4", _Shouting)

    with ConnectionPool(
        databases[1], connection_class=OddConnection, kwargs={"row_factory": dict_row, "prepare_threshold": 0},
        min_size=1, max_size=1, configure=configure, open=True,
    ) as made:  # fmt: skip
        yield made


class _Shouting(psycopg.adapt.Loader):
    def load(self, data: Any) -> str:
        return f"INT {bytes(data).decode()}"


def test_tiles_come_through_the_hosts_pool_and_leave_no_trace(
    pool: ConnectionPool[Any], mounted: Callable[..., Flagstone]
) -> None:
    app = Flask("host")
    flagstone = mounted(app, "/city", pool=pool, name="city")
    with pool.connection() as connection:
        connection.execute("SET statement_timeout = '77s'")
        connection.execute("PREPARE mine AS SELECT 1 AS one")
        before = _session(connection)
    for zoom in range(8):  # often enough for a statement to be prepared
        assert get(app, f"/city/tiles/places/{zoom}/{(1 << zoom) // 2}/0").status_code in (200, 204)
    assert {each["name"] for each in attributes(app, f"/city/{TILE}")} == {"city", "large city"}
    assert get(app, "/city/tables.json").get_json()[0]["id"] == "public.places"
    assert get(app, "/city/readyz").status_code == 200
    with pool.connection() as connection:
        assert _session(connection) == before
        assert connection.execute("SELECT id FROM places ORDER BY id").fetchone() == {"id": "INT 1"}
        connection.execute("CREATE TEMP TABLE written (a int)")
    flagstone.close()
    assert not pool.closed, "the pool is the host's to close"
    assert get(app, f"/city/{TILE}").status_code == 200


def _session(connection: psycopg.Connection[Any]) -> list[Any]:
    settings = connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'TimeZone', 'jit', 'lock_timeout',"
        " 'default_transaction_read_only', 'role', 'enable_memoize', 'DateStyle') ORDER BY name"
    ).fetchall()
    return [*settings, *connection.execute("SELECT name FROM pg_prepared_statements WHERE name = 'mine'").fetchall()]


def test_connection_of_the_hosts_pool_that_was_cut_is_replaced(
    pool: ConnectionPool[Any], databases: tuple[str, str], mounted: Callable[..., Flagstone]
) -> None:
    app = Flask("host")
    mounted(app, "/city", pool=pool, name="city", CACHE_TYPE="NullCache")
    assert get(app, f"/city/{TILE}").status_code == 200
    with pool.connection() as connection:
        pid = connection.info.backend_pid
    with psycopg.connect(databases[1], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert get(app, f"/city/{TILE}").status_code == 200


def test_busy_pool_of_the_host_is_503_soon(pool: ConnectionPool[Any], mounted: Callable[..., Flagstone]) -> None:
    app = Flask("host")
    mounted(app, "/city", pool=pool, name="city", FLAGSTONE_POOL_TIMEOUT_MS=1000, CACHE_TYPE="NullCache")
    assert get(app, f"/city/{TILE}").status_code == 200
    with pool.connection():
        answer = get(app, f"/city/{TILE}")
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    assert get(app, f"/city/{TILE}").status_code == 200


# --- from outside: the wheel in an environment of its own ---------------------------------------------------------


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in which Flagstone is installed from its wheel; the packages it needs are those of this environment."""
    source = tmp_path_factory.mktemp("source")
    copytree(CHECKOUT / "app", source / "app", ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(CHECKOUT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", "-w", source / "dist", source])
    [wheel] = (source / "dist").glob("flagstone-*.whl")
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    made = home / "bin" / "python"
    _run([*pip, "--python", made, "install", "--no-deps", "--no-index", "--quiet", wheel])
    [packages] = home.glob("lib/python*/site-packages")
    [ours] = {path for path in sys.path if path.endswith("site-packages")}
    (packages / "needed.pth").write_text(ours)
    return made


def _run(command: list[Any], **more: Any) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer


def blocks(language: str) -> list[str]:
    """The blocks of the page in this language."""
    text = (CHECKOUT / "docs" / "embedding.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def project(python: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`project(code, **environment)` makes a project whose module is app.py, runs it under gunicorn and gives its URL."""
    with ExitStack() as started:

        def start(code: str, *arguments: str, application: str = "app:app", **environment: str) -> str:
            (tmp_path / "app.py").write_text(code)
            free, log = port.free(), tmp_path / "log"
            with log.open("ab") as output:
                process = child.start(
                    [str(python), "-m", "gunicorn", *(arguments or ["--bind", f"127.0.0.1:{free}", "--threads", "4"]), application],
                    cwd=tmp_path, env=_environment(PORT=str(free), **environment), output=output,
                )  # fmt: skip
            started.callback(child.end, process)
            port.wait_for(free, process, log)
            return f"http://127.0.0.1:{free}"

        yield start


def _environment(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "FLAGSTONE_NODE_MODULES": str(CHECKOUT / "node_modules"), **given}


def ask(url: str, **headers: str) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(url, headers=named), timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def names(tile: bytes) -> set[str]:
    [layer] = decode(tile).values()
    return {feature["properties"]["name"] for feature in layer["features"]}


def test_smallest_application_of_the_page_serves_tiles(project: Callable[..., str], databases: tuple[str, str]) -> None:
    url = project(blocks("python")[0], DATABASE_URL=databases[0])
    assert names(ask(f"{url}/maps/{TILE}")[1]) == {"world", "large world"}
    document = json.loads(ask(f"{url}/maps/places/tilejson.json")[1])
    assert document["tiles"] == [f"{url}/maps/tiles/public.places/{{z}}/{{x}}/{{y}}"]
    for path in ("", "public.places/viewer", "static/viewer.js", "vendor/maplibre-gl/maplibre-gl.mjs", "tables.json"):
        status, body = ask(f"{url}/maps/{path}", Accept="text/html")
        assert status == 200 and body, path
    status, body = ask(f"{url}/nothing")
    assert status == 404 and b"<!doctype html>" in body, "the host's own page"


def test_application_of_the_page_with_two_databases(
    project: Callable[..., str], databases: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "crowded.sql").write_text(
        "-- parameter: least integer = 1000 -- Fewest people\nSELECT name, geom FROM places WHERE people >= :least\n"
    )
    url = project(blocks("python")[1], WORLD_DATABASE=databases[0], CITY_DATABASE=databases[1], CITY_KEY="right")
    assert names(ask(f"{url}/world/{TILE}")[1]) == {"world", "large world"}
    assert names(ask(f"{url}/world/tiles/crowded/0/0/0")[1]) == {"large world"}
    assert ask(f"{url}/internal/city/{TILE}")[0] == 403
    assert names(ask(f"{url}/internal/city/{TILE}", X_Key="right")[1]) == {"city", "large city"}
    assert names(ask(f"{url}/internal/city/tiles/large/0/0/0", X_Key="right")[1]) == {"large city"}
    assert ask(f"{url}/world/tiles/large/0/0/0")[0] == 404, "a statement of the other database"
    assert ask(f"{url}/internal/city/tiles/crowded/0/0/0", X_Key="right")[0] == 404


def test_package_runs_alone_under_gunicorn_and_flask(
    project: Callable[..., str], python: Path, databases: tuple[str, str], tmp_path: Path
) -> None:
    url = project("", "-c", "python:flagstone.gunicorn_conf", application="flagstone:create_app()", DATABASE_URL=databases[0],
                  WEB_CONCURRENCY="1")  # fmt: skip
    assert names(ask(f"{url}/{TILE}")[1]) == {"world", "large world"}
    assert b"places" in ask(f"{url}/", Accept="text/html")[1]
    answer = _run([python, "-m", "flask", "--app", "flagstone", "catalog", "list"], cwd=tmp_path,
                  env=_environment(DATABASE_URL=databases[0]))  # fmt: skip
    assert "public.places" in answer.stdout


def test_package_has_every_file_of_the_checkout_but_no_bytecode(python: Path) -> None:
    [there] = python.parents[1].glob("lib/python*/site-packages/flagstone")
    def files(root: Path) -> set[str]:
        return {
            path.relative_to(root).as_posix() for path in root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
        }  # fmt: skip
    assert files(there) == files(CHECKOUT / "app")
