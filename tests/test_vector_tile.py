import gzip
import random

import mapbox_vector_tile
import pytest

from app.layers.vector_tile import is_vector_tile


def layer(name: str, count: int = 3) -> bytes:
    features = [{"geometry": f"POINT({n} {n})", "properties": {"n": n, "text": "x" * 50}} for n in range(count)]
    encoded: bytes = mapbox_vector_tile.encode([{"name": name, "features": features}])
    return encoded


ONE, TWO = layer("one"), layer("two", 40)


def test_layers_in_a_row_are_a_vector_tile() -> None:
    for raw in (b"", ONE, TWO, ONE + TWO, b"".join(layer(f"l{n}") for n in range(50))):
        assert is_vector_tile(raw)


def test_a_tile_that_is_cut_anywhere_is_none() -> None:
    assert [size for size in range(len(ONE + TWO)) if is_vector_tile((ONE + TWO)[:size])] == [0, len(ONE)]


def test_extensions_are_passed_over_as_the_standard_has_it() -> None:
    for extension in (b"\x82\x01\x03abc", b"\x80\x01\x96\x01", b"\x81\x01" + bytes(8), b"\x85\x01" + bytes(4), b"\xfa\xff\x03\x00"):
        assert is_vector_tile(ONE + extension + TWO)
        assert not is_vector_tile(ONE + extension[:-1])


@pytest.mark.parametrize(
    "junk",
    [
        b"\0", b"junk", b"{}", b"<!DOCTYPE html><p>no", b"\x89PNG\r\n\x1a\n" + bytes(40), gzip.compress(ONE, mtime=0), b"\xff" * 40, bytes(100),
        b"\x1a", b"\x1a\x05abc", b"\x1a" + b"\xff" * 9 + b"\x01", b"\x1a" + b"\x80" * 11, b"\x18\x01", b"\x1d" + bytes(4), b"\x22\x00",
        b"\x83\x01", b"\x84\x01", b"\x82\x80\x04\x00",
    ],
)  # fmt: skip
def test_what_is_no_tile_is_told(junk: bytes) -> None:
    assert not is_vector_tile(junk)
    assert not is_vector_tile(ONE + junk)


def test_noise_never_fails_and_rarely_passes() -> None:
    draw = random.Random(20261122)
    noise = [draw.randbytes(draw.randrange(20, 200)) for _ in range(5_000)]
    assert sum(map(is_vector_tile, noise)) < 5
