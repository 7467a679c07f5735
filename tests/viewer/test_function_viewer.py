"""The map page of a function in a real Chromium: vector tiles and pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.chromium import until
from tests.servers.gunicorn import Gunicorn
from tests.servers.postgres import DatabaseServer


def _png() -> bytes:
    """One red pixel."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head, row = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0), zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def picture_site(server: DatabaseServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    dsn = server.create(template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE FUNCTION red(z int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT '\\x{_png().hex()}'::bytea $$".encode())
        connection.execute("""COMMENT ON FUNCTION red(int, int, int) IS '{"content_type": "image/png"}'""")
    with ExitStack() as made:
        made.callback(server.drop, dsn)
        yield made.enter_context(Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": dsn})).url


@pytest.mark.parametrize(
    ("address", "layer"),
    [
        ("sample.roads_by_kind/viewer?named_only=true", "roads"),
        ("sample.cities_in_box/viewer?at_least=5000000", "cities"),
        ("sample.countries_by_query/viewer?continent=Africa", "countries"),
        ("sample.roads_by_kind,sample.liechtenstein_pois/viewer", "roads"),
    ],
)
def test_a_function_of_the_sample_is_drawn(visit: Any, site: str, address: str, layer: str) -> None:
    watched = visit(f"{site}/{address}")
    assert layer in watched.drawn(layer)


def test_pictures_are_drawn(visit: Any, picture_site: str) -> None:
    watched = visit(f"{picture_site}/public.red/viewer")
    until(watched.page, "window.flagstoneMap?.loaded() && window.flagstoneMap.areTilesLoaded()")
    assert watched.page.evaluate("window.flagstoneMap.getStyle().sources.flagstone.type") == "raster"
    colour = watched.page.evaluate(
        """() => new Promise((done) => { const map = window.flagstoneMap; map.once("render", () => {
            const gl = map.getCanvas().getContext("webgl2"); const pixel = new Uint8Array(4);
            gl.readPixels(gl.drawingBufferWidth / 2, gl.drawingBufferHeight / 2, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
            done([...pixel]); }); map.triggerRepaint(); })"""
    )
    assert colour[0] > 200 and colour[1] < 60 and colour[2] < 60
