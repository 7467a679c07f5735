"""The response of a kept tile, which leaves out what flask and werkzeug would look through."""

from flask import Flask, Response

from app.blueprints.tile_response import TileResponse, tile_response
from app.caching.entry import Entry
from app.layers.how import How
from app.settings import Settings

DSN = "postgresql:///nowhere"


def made(**settings: str) -> TileResponse:
    entry = Entry.of(b"\x1a\x00", how=How.FULL, made_at=0.0, version="")
    answer = tile_response(entry, 60, {"HTTP_ACCEPT_ENCODING": "gzip"}, Settings.of(DATABASE_URL=DSN, **settings))
    assert isinstance(answer, TileResponse)
    return answer


def test_it_has_all_that_werkzeug_gives_a_response() -> None:
    whole = vars(Response([b"x"], 200))
    ours = vars(TileResponse(200, [("Content-Length", "1")], b"x", is_open=True))
    assert set(ours) - {"is_open", "_sent"} == set(whole)
    for name in set(whole) - {"headers"}:
        assert ours[name] == whole[name], name


def test_pages_of_every_origin_may_read_it_only_where_the_setting_says_so() -> None:
    assert made().headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert "Access-Control-Allow-Origin" not in made(FLAGSTONE_CORS_ORIGINS="https://maps.example.org").headers


def test_a_host_may_change_it_on_its_way_out() -> None:
    app = Flask(__name__)
    closed = []

    @app.get("/plain")
    def plain() -> Response:
        return made()

    @app.get("/changed")
    def changed() -> Response:
        answer = made()
        answer.set_data("other")
        answer.status_code = 203
        answer.headers["X-Host"] = "yes"
        return answer

    @app.get("/told")
    def tells() -> Response:
        answer = made()
        answer.call_on_close(lambda: closed.append("closed"))
        return answer

    client = app.test_client()
    whole = client.get("/plain")
    assert whole.status == "200 OK" and whole.get_data() == made().get_data()
    assert client.head("/plain").get_data() == b""
    assert client.head("/plain").headers["Content-Length"] == whole.headers["Content-Length"]
    other = client.get("/changed")
    assert (other.status_code, other.get_data(), other.headers["X-Host"]) == (203, b"other", "yes")
    with client.get("/told") as told_of:
        assert told_of.get_data() == whole.get_data()
    assert closed == ["closed"]
