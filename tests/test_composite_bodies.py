"""The bytes of a composite and their tag, and what comes of a layer whose bytes are no tile."""

from __future__ import annotations

import zlib

import psycopg
import pytest

from tests.chromium import started
from tests.conftest import MakeApp, Serve
from tests.tile_decoding import decoded, get

TILE = "0/0/0"
COMPOSITE = f"/tiles/a,empty,by_function,b/{TILE}"
_TABLES = """
CREATE TABLE a AS SELECT id, 'a' AS kind, ST_Point(id, id, 4326) AS geom FROM generate_series(1, 50) id;
CREATE TABLE b AS SELECT id, 'b' AS kind, ST_Point(-id, id, 4326) AS geom FROM generate_series(1, 50) id;
CREATE TABLE empty (id int PRIMARY KEY, geom geometry(Point, 4326));
ALTER TABLE a ADD PRIMARY KEY (id);
ALTER TABLE b ADD PRIMARY KEY (id);
CREATE FUNCTION by_function(z int, x int, y int) RETURNS TABLE (mvt bytea, tag text) LANGUAGE sql STABLE AS $$
    SELECT ST_AsMVT(inside, 'inside', 4096, 'geom'), 'tag-7'
    FROM (SELECT ST_AsMVTGeom(ST_Transform(a.geom, 3857), ST_TileEnvelope(z, x, y)) AS geom FROM a) AS inside
$$;
"""


@pytest.fixture
def tables(database: str) -> str:
    _execute(database, _TABLES)
    return database


def _execute(dsn: str, statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements.encode())


def _gives(dsn: str, name: str, junk: bytes) -> None:
    """A function of this name that returns these bytes for each tile."""
    _execute(dsn, f"""CREATE OR REPLACE FUNCTION {name}(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS
        $$ SELECT '\\x{junk.hex()}'::bytea $$""")  # fmt: skip


# --- bytes and tag --------------------------------------------------------------------------------------------------


def test_a_composite_is_its_layers_bytes_in_one_gzip_member(tables: str, make_app: MakeApp) -> None:
    app = make_app(tables)
    parts = [get(app, f"/tiles/{name}/{TILE}").get_data() for name in ("a", "by_function", "b")]
    assert all(parts)
    assert get(app, COMPOSITE).get_data() == b"".join(parts)
    reader = zlib.decompressobj(31)
    assert reader.decompress(get(app, COMPOSITE, Accept_Encoding="gzip").get_data()) == b"".join(parts)
    assert reader.eof
    assert not reader.unused_data


def test_a_browser_reads_a_composite_to_its_end(tables: str, serve: Serve, make_app: MakeApp, chromium: str) -> None:
    expected = get(make_app(tables), COMPOSITE).get_data()
    address = f"{serve(DATABASE_URL=tables).url}{COMPOSITE}"
    with started(chromium) as browser:
        page = browser.new_page()
        with page.expect_response(address) as answer:
            page.goto(address.replace(COMPOSITE, "/healthz"))
            found = page.evaluate("async address => Array.from(new Uint8Array(await (await fetch(address)).arrayBuffer()))", address)
        assert answer.value.headers["content-encoding"] == "gzip"
    assert bytes(found) == expected


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_composites_tag_is_the_same_for_every_worker_and_every_state_of_the_cache(
    tables: str, make_app: MakeApp, redis_url: str, coding: str
) -> None:
    def answer(first: str = "", **settings: str) -> tuple[str, bytes]:
        app = make_app(tables, **settings)
        if first:
            get(app, f"/tiles/{first}/{TILE}")
        response = get(app, COMPOSITE, Accept_Encoding=coding)
        assert get(app, COMPOSITE, Accept_Encoding=coding, If_None_Match=response.headers["ETag"]).status_code == 304
        return response.headers["ETag"], response.get_data()

    redis = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url}
    answers = {
        answer(CACHE_TYPE="NullCache"), answer(), answer("b"), answer("a,b"), answer("b,by_function,a"),
        answer(FLAGSTONE_POOL_SIZE="1"), answer(**redis), answer(**redis), answer(FLAGSTONE_COMPOSITE_FAILURE="skip"),
    }  # fmt: skip
    assert len(answers) == 1


def test_a_composites_tag_changes_with_each_of_its_layers(tables: str, make_app: MakeApp) -> None:
    app = make_app(tables, CACHE_TYPE="NullCache")
    tags = [get(app, COMPOSITE).headers["ETag"]]
    for change in ("DELETE FROM b WHERE id = 3", "UPDATE a SET kind = 'x' WHERE id = 3", "INSERT INTO empty VALUES (1, ST_Point(1, 1, 4326))"):
        _execute(tables, change)
        tags.append(get(app, COMPOSITE).headers["ETag"])
    assert len(set(tags)) == 4


def test_a_composite_of_empty_layers_is_204(tables: str, make_app: MakeApp) -> None:
    app = make_app(tables)
    _execute(tables, "CREATE TABLE empty2 (LIKE empty)")
    app.extensions["flagstone"].catalog.reload()
    assert get(app, f"/tiles/empty,empty2/{TILE}").status_code == 204
    assert set(decoded(get(app, f"/tiles/empty,a/{TILE}"))) == {"public.a"}


# --- bytes that are no tile -----------------------------------------------------------------------------------------

_JUNK = {
    "text": b"no tile",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "a cut tile": b"\x1a\x30only a few of them",
    "compressed text": zlib.compress(b"no tile", wbits=31),
}


@pytest.mark.parametrize("junk", _JUNK.values(), ids=_JUNK.keys())
def test_a_functions_bytes_that_are_no_tile_are_a_problem(tables: str, make_app: MakeApp, junk: bytes) -> None:
    _gives(tables, "junk", junk)
    app = make_app(tables)
    for path in (f"/tiles/junk/{TILE}", f"/tiles/a,junk,b/{TILE}", f"/tiles/junk,a/{TILE}"):
        response = get(app, path)
        assert response.status_code == 500
        assert response.get_json()["detail"] == "What the function of layer public.junk returned is no vector tile."
        assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("junk", _JUNK.values(), ids=_JUNK.keys())
def test_a_function_that_gives_no_tile_is_left_out_where_that_is_wanted(tables: str, make_app: MakeApp, junk: bytes) -> None:
    _gives(tables, "junk", junk)
    app = make_app(tables, FLAGSTONE_COMPOSITE_FAILURE="skip")
    for layers in ("a,junk,b", "junk,a,b", "a,b,junk"):
        response = get(app, f"/tiles/{layers}/{TILE}")
        assert set(decoded(response)) == {"public.a", "public.b"}
        assert response.headers["Flagstone-Tile"] == 'full; missing="public.junk"'
        assert "ETag" not in response.headers
    _gives(tables, "junk", b"")
    whole = get(app, f"/tiles/a,junk,b/{TILE}")
    assert whole.headers["Flagstone-Tile"] == "full"
    assert "ETag" in whole.headers


def test_a_tile_with_extensions_or_kept_compressed_is_one(tables: str, make_app: MakeApp) -> None:
    app = make_app(tables, CACHE_TYPE="NullCache")
    plain = get(app, f"/tiles/by_function/{TILE}").get_data()
    for content in (plain + b"\x82\x01\x03abc", zlib.compress(plain, wbits=31), plain + plain.replace(b"inside", b"others")):
        _gives(tables, "odd", content)
        app.extensions["flagstone"].catalog.reload()
        assert {"public.a", "inside"} <= set(decoded(get(app, f"/tiles/odd,a/{TILE}")))


def test_a_picture_is_never_looked_into(tables: str, make_app: MakeApp) -> None:
    _gives(tables, "picture", b"\x89PNG\r\n\x1a\n")
    _execute(tables, """COMMENT ON FUNCTION picture IS '{"content_type": "image/png"}'""")
    response = get(make_app(tables), f"/tiles/picture/{TILE}")
    assert (response.status_code, response.mimetype, response.get_data()) == (200, "image/png", b"\x89PNG\r\n\x1a\n")
