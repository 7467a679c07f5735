"""Flagstone under the gunicorn of production: `gunicorn -c python:app.gunicorn_conf wsgi:app`."""

import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import pytest

from app.log_format import JsonLines, TextLines
from scripts.lib import CHECKOUT, child
from tests.conftest import Serve
from tests.servers import port
from tests.servers.gunicorn import Gunicorn

T = TypeVar("T")
TILE = "/tiles/sample.countries/4/8/5"
SECRET = "hunter2-und-so"


def get(url: str) -> tuple[int, str, bytes]:
    """Status, ETag and body."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.headers["ETag"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", error.read()


def until(found: Callable[[], T], seconds: float = 10) -> T:
    """The first true answer, or the last one."""
    end = time.monotonic() + seconds
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


def workers(app: Gunicorn, count: int = 2) -> list[psutil.Process]:
    """The workers, when there are as many."""
    master = psutil.Process(app.process.pid)
    until(lambda: len(master.children()) == count)
    found: list[psutil.Process] = master.children()
    assert len(found) == count
    return found


@contextmanager
def only(worker: psutil.Process, others: list[psutil.Process]) -> Iterator[None]:
    """While this lasts, every request is answered by one worker: the others do not run."""
    sleeping = [other for other in others if other != worker]
    for other in sleeping:
        other.suspend()
    try:
        yield
    finally:
        for other in sleeping:
            other.resume()


def run(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """gunicorn with these settings alone, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "python:app.gunicorn_conf", *arguments, "wsgi:app"],
        cwd=directory, env={**os.environ, "PYTHONPATH": str(CHECKOUT), **settings},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def _connections(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flagstone' AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


# --- several workers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["", "--preload"])
def test_each_worker_has_connections_of_its_own(serve: Serve, sample_database: str, arguments: str) -> None:
    """A pool opened before the fork would hand one connection to both, and requests would hang."""
    app = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY=2, FLAGSTONE_POOL_SIZE=1, GUNICORN_CMD_ARGS=arguments,
                CACHE_TYPE="NullCache", FLAGSTONE_POOL_TIMEOUT_MS=20_000)  # fmt: skip
    both = workers(app)
    for worker in both:
        with only(worker, both):
            assert get(app.url + TILE)[0] == 200
    with psycopg.connect(sample_database, autocommit=True) as connection:
        until = time.monotonic() + 10
        # The connections of the test before this one may take a moment to end.
        while (found := _connections(connection)) != 2 and time.monotonic() < until:
            time.sleep(0.1)
    assert found == 2
    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(lambda _: get(app.url + TILE), range(50)))
    assert {(status, tag) for status, tag, _ in answers} == {(200, answers[0][1])}


def test_workers_and_a_restart_give_the_same_tag(serve: Serve, sample_database: str) -> None:
    app = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY=2)
    both = workers(app)
    seen = []
    for worker in both:
        with only(worker, both):
            seen.append(get(app.url + TILE))
    app.stop()
    seen.append(get(serve(DATABASE_URL=sample_database).url + TILE))
    assert seen == [seen[0]] * 3
    assert seen[0][0] == 200
    assert seen[0][1]


def test_counters_of_the_workers_add_up(serve: Serve, sample_database: str) -> None:
    app = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY=2)
    both = workers(app)
    for worker, times in zip(both, (3, 4), strict=True):
        with only(worker, both):
            for _ in range(times):
                get(app.url + TILE)
    for worker in both:
        with only(worker, both):
            text = get(app.url + "/metrics")[2].decode()
            assert re.search(r'^flagstone_tiles_total\{outcome="data"\} 7.0$', text, re.MULTILINE)


# --- signals ----------------------------------------------------------------------------------------------------------


def test_sigterm_finishes_the_tile_that_is_being_made_and_leaves_no_process(serve: Serve, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, place geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")
        connection.execute("CREATE VIEW slow AS SELECT id, place FROM places, pg_sleep(2)")
        app = serve(DATABASE_URL=database, WEB_CONCURRENCY=2)
        processes = [psutil.Process(app.process.pid), *workers(app)]
        get(app.url + "/tiles/public.places/0/0/0")
        with ThreadPoolExecutor(1) as client:
            slow = client.submit(get, app.url + "/tiles/public.slow/0/0/0")
            running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%slow%' AND state = 'active' AND wait_event = 'PgSleep'"
            assert until(lambda: (connection.execute(running).fetchone() or (0,))[0])
            app.process.send_signal(signal.SIGTERM)
            assert slow.result()[0] == 200
        assert app.process.wait(15) == 0
        assert psutil.wait_procs(processes, timeout=1)[1] == []
        backends = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flagstone' AND datname = current_database()"
        assert until(lambda: (connection.execute(backends).fetchone() or (1,))[0] == 0)
    assert "Traceback" not in app.log.read_text()


def test_time_to_finish_is_longer_than_a_tile_may_take(tmp_path: Path) -> None:
    program = "from app import gunicorn_conf as c; from app.settings import Settings; print(c.graceful_timeout - Settings.load().longest_tile_s)"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "FLAGSTONE_STATEMENT_TIMEOUT_MS": "20500",
                   "FLAGSTONE_POOL_TIMEOUT_MS": "7000"}  # fmt: skip
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert float(answer.stdout) >= 1


def test_sighup_replaces_the_workers_and_keeps_serving(serve: Serve, sample_database: str) -> None:
    app = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY=2)
    before = {worker.pid for worker in workers(app)}
    assert get(app.url + TILE)[0] == 200
    app.process.send_signal(signal.SIGHUP)
    statuses = set()

    def replaced() -> bool:
        statuses.add(get(app.url + TILE)[0])
        return before.isdisjoint(worker.pid for worker in psutil.Process(app.process.pid).children())

    assert until(replaced)
    for _ in range(10):
        statuses.add(get(app.url + TILE)[0])
    assert statuses == {200}
    workers(app)
    assert "Traceback" not in app.log.read_text()


def test_worker_that_is_killed_is_replaced(serve: Serve, sample_database: str) -> None:
    app = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY=2)
    victim = workers(app)[0]
    victim.kill()
    until(lambda: not victim.is_running())
    assert victim.pid not in {worker.pid for worker in workers(app)}
    assert get(app.url + TILE)[0] == 200


# --- start ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "harbour"), ("FLAGSTONE_TILE_EXTENT", "-5"), ("CACHE_TYPE", "RedisCache"), ("WEB_CONCURRENCY", "0"),
     ("FLAGSTONE_LOG_FORMAT", "xml"), ("PROMETHEUS_MULTIPROC_DIR", "/nowhere")],
)  # fmt: skip
def test_wrong_setting_stops_the_start_with_its_name(tmp_path: Path, name: str, value: str) -> None:
    ended = run(tmp_path, **{name: value})
    assert ended.returncode != 0
    assert name in ended.stderr
    assert "flagstone:" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    "url", [f"postgresql://flagstone:{SECRET}@localhost:harbour/gis", f"postgresql//flagstone:{SECRET}@localhost/gis"]
)
def test_database_url_that_cannot_be_read_stops_the_start_and_is_not_shown(tmp_path: Path, url: str) -> None:
    ended = run(tmp_path, DATABASE_URL=url, PORT=str(port.free()))
    assert ended.returncode != 0
    assert "DATABASE_URL" in ended.stderr
    assert SECRET not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr + ended.stdout


def test_port_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run(tmp_path, DATABASE_URL="postgresql:///gis", PORT=str(taken.getsockname()[1]), TMPDIR=str(tmp_path))
    assert ended.returncode != 0
    assert list(tmp_path.glob("flagstone-metrics-*")) == []


def test_secrets_are_never_in_the_log(serve: Serve) -> None:
    nobody = port.free()
    app = serve(
        DATABASE_URL=f"postgresql://flagstone:{SECRET}@127.0.0.1:{nobody}/gis?connect_timeout=1", POSTGRES_PASS=SECRET,
        CACHE_TYPE="RedisCache", CACHE_REDIS_URL=f"redis://:{SECRET}@127.0.0.1:{nobody}/0", CACHE_REDIS_PASSWORD=SECRET,
        FLAGSTONE_LOG_LEVEL="DEBUG", FLAGSTONE_POOL_TIMEOUT_MS=200,
    )  # fmt: skip
    for path in (f"{TILE}?key={SECRET}", f"/tables.json?key={SECRET}", "/readyz"):
        status, _, body = get(app.url + path)
        assert (status, SECRET.encode() in body) == (503, False)
    text = app.log.read_text()
    assert "503" in text
    assert SECRET not in text


def test_ready_is_said_to_systemd(serve: Serve, sample_database: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        serve(DATABASE_URL=sample_database, NOTIFY_SOCKET=tmp_path / "notify")
        assert b"READY=1" in systemd.recv(4096)


def test_env_file_of_the_working_directory_is_read_and_never_overrides(sample_database: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"DATABASE_URL={sample_database}\nFLAGSTONE_NAME=From the file\nWEB_CONCURRENCY=2\nPORT=1\n"
        "FLAGSTONE_LOG_FORMAT=json\n"
    )
    given = {"FLAGSTONE_LOG_FORMAT": "text"}
    # What the fixture itself sets, PORT and WEB_CONCURRENCY=1, wins over the file as well.
    app = Gunicorn(tmp_path, given)
    try:
        assert b"From the file" in get(app.url + "/?f=html")[2]
        workers(app, 1)
        assert not app.log.read_text().startswith("{")
    finally:
        app.stop()
    shown = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "config", "show", "--format", "json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(CHECKOUT), **given}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "From the file" in shown
    assert '"text"' in shown
    assert sample_database not in shown


def test_socket_and_ipv6_addresses_can_be_bound(sample_database: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "DATABASE_URL": sample_database, "WEB_CONCURRENCY": "1"}
    number = port.free()
    command = [sys.executable, "-m", "gunicorn", "-c", "python:app.gunicorn_conf", "wsgi:app"]
    with (tmp_path / "log").open("wb") as log:
        for bind, family, address in (("::1", socket.AF_INET6, ("::1", number)),
                                      (f"unix:{tmp_path}/s", socket.AF_UNIX, f"{tmp_path}/s")):  # fmt: skip
            settings = {**environment, "FLAGSTONE_BIND": bind, "PORT": str(number)}
            process = child.start(command, cwd=tmp_path, env=settings, output=log)
            try:
                tiles = until(lambda: _tile_addresses(family, address))  # noqa: B023 - called at once
            finally:
                child.end(process)
            # Whoever speaks through a Unix socket is trusted by gunicorn, and is not by us.
            assert tiles == ["http://here.example/tiles/sample.countries/{z}/{x}/{y}"]


def _tile_addresses(family: socket.AddressFamily, address: tuple[str, int] | str) -> Any:
    """The TileJSON's, for a client that claims to be a proxy; None while nobody listens."""
    connection = http.client.HTTPConnection("here.example")
    connection.sock = socket.socket(family)
    headers = {"SCRIPT_NAME": "/evil", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    try:
        connection.sock.connect(address)
        connection.request("GET", "/sample.countries/tilejson.json", headers=headers)
        return json.loads(connection.getresponse().read())["tiles"]
    except OSError:
        return None
    finally:
        connection.close()


# --- what is left behind ----------------------------------------------------------------------------------------------


def test_neither_control_socket_nor_metrics_folder_is_left(serve: Serve, sample_database: str, tmp_path: Path) -> None:
    home, runtime, temporary = (tmp_path / name for name in ("home", "run", "tmp"))
    for folder in (home, runtime, temporary):
        folder.mkdir()
    app = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY=2, HOME=home, XDG_RUNTIME_DIR=runtime, TMPDIR=temporary)
    workers(app)
    assert get(app.url + TILE)[0] == 200
    (folder,) = temporary.glob("flagstone-metrics-*")
    workers(app)[0].terminate()  # a worker that ends leaves the folder to the others
    assert until(lambda: get(app.url + TILE)[0] == 200)
    assert folder.is_dir()
    app.stop()
    assert [*home.rglob("*"), *runtime.rglob("*"), *temporary.rglob("*")] == []


def test_metrics_folder_that_was_given_is_used_and_kept(serve: Serve, sample_database: str, tmp_path: Path) -> None:
    given, temporary = tmp_path / "given", tmp_path / "tmp"
    given.mkdir()
    temporary.mkdir()
    app = serve(DATABASE_URL=sample_database, PROMETHEUS_MULTIPROC_DIR=given, TMPDIR=temporary)
    assert get(app.url + TILE)[0] == 200
    app.stop()
    assert list(given.glob("*.db"))
    assert list(temporary.iterdir()) == []


# --- log --------------------------------------------------------------------------------------------------------------


def test_every_line_of_a_json_log_is_json(serve: Serve, sample_database: str) -> None:
    app = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY=2, FLAGSTONE_LOG_FORMAT="json", TIMVT_NAME="Old name")
    workers(app)
    get(app.url + "/tiles/nothing/0/0/0")
    get(app.url + "/tiles/caf%C3%A9%1B%5B2J%0Aline/0/0/0")
    app.stop()
    lines = [json.loads(line) for line in app.log.read_text().splitlines()]
    assert all({"time", "level", "logger", "process", "message"} <= line.keys() for line in lines)
    assert len([line for line in lines if "TIMVT_NAME" in line["message"]]) == 1
    (request,) = [line for line in lines if "café\x1b[2J\nline" in line["message"]]
    assert request["request_id"]


def test_text_line_shows_control_characters_and_the_request_id() -> None:
    record = logging.LogRecord("app.errors", logging.INFO, "", 0, "GET %s", ("/a\n2026 ERROR \x1b[31mforged\u2028\x85é",), None)
    record.request_id = "abc"
    line = TextLines().format(record)
    assert line.endswith(r"GET /a\n2026 ERROR \x1b[31mforged\u2028\x85é [abc]")
    assert f"INFO app.errors[{record.process}]: " in line


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_traceback_is_in_the_log(formatter: logging.Formatter) -> None:
    try:
        int("why")
    except ValueError:
        record = logging.LogRecord("app", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    text = formatter.format(record)
    assert "ValueError: invalid literal" in text
    assert "test_gunicorn.py" in text
