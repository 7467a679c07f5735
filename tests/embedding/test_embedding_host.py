"""What stays the host's: its errors, JSON and templates, and who may ask."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, render_template_string, request
from flask.json.provider import DefaultJSONProvider

from app import Flagstone
from tests.embedding.conftest import TILE
from tests.tile_decoding import get


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
