import gzip
import math
import pickle
import random
import struct

import pytest
from isal.isal_zlib import crc32

from app.caching.entry import Entry

ENTRY = Entry.of(b"a tile" * 100, limited=False, made_at=1_780_000_000.123456, version="")


def signed(content: bytes) -> bytes:
    """A frame with a right checksum, as somebody who knows the format could write it."""
    return content + struct.pack(">I", crc32(content))


def test_body_is_one_gzip_stream_that_every_reader_takes() -> None:
    assert gzip.decompress(ENTRY.body) == ENTRY.raw() == b"a tile" * 100


def test_empty_tile_has_an_empty_body() -> None:
    empty = Entry.of(b"", limited=False, made_at=1.0, version="")
    assert (empty.body, empty.raw()) == (b"", b"")
    assert Entry.parse(empty.framed()) == empty


def test_equal_tiles_have_equal_bytes_and_tags_whenever_they_are_made() -> None:
    later = Entry.of(b"a tile" * 100, limited=False, made_at=1_790_000_000.0, version="x")
    assert (later.body, later.etag) == (ENTRY.body, ENTRY.etag)
    assert Entry.of(b"another", limited=False, made_at=1.0, version="").etag != ENTRY.etag


def test_frame_gives_back_every_entry() -> None:
    draw = random.Random(20260601)
    for _ in range(2_000):
        entry = Entry(
            body=draw.randbytes(draw.choice((0, 1, 100, 3_000))),
            etag=draw.randbytes(16).hex(),
            made_at=draw.uniform(-1e10, 1e10),
            version="".join(draw.choices("aé中\U0001f5fa\x00", k=draw.choice((0, 0, 5)))),
            limited=draw.random() < 0.5,
        )
        assert Entry.parse(entry.framed()) == entry


def test_every_truncation_and_every_added_byte_is_refused() -> None:
    frame = ENTRY.framed()
    assert all(Entry.parse(frame[:length]) is None for length in range(len(frame)))
    assert Entry.parse(frame + b"\0") is None


def test_every_flipped_bit_is_refused() -> None:
    frame = ENTRY.framed()
    for position in range(len(frame)):
        for bit in range(8):
            broken = bytearray(frame)
            broken[position] ^= 1 << bit
            assert Entry.parse(bytes(broken)) is None


def test_garbage_is_refused() -> None:
    draw = random.Random(20260601)
    beginning = ENTRY.framed()[:5]
    for _ in range(5_000):
        noise = draw.randbytes(draw.randrange(200))
        assert Entry.parse(noise) is None
        assert Entry.parse(beginning + noise) is None
    assert Entry.parse(pickle.dumps(ENTRY.body)) is None


def test_other_layout_is_refused_although_its_checksum_is_right() -> None:
    content = bytearray(ENTRY.framed()[:-4])
    content[4] = 1
    assert Entry.parse(signed(bytes(content))) is None


@pytest.mark.parametrize("made_at", [math.nan, math.inf, -math.inf])
def test_time_that_is_no_time_is_refused(made_at: float) -> None:
    assert Entry.parse(ENTRY._replace(made_at=made_at).framed()) is None


def test_version_that_is_no_text_is_refused() -> None:
    frame = ENTRY._replace(version="ab").framed()
    at = frame.index(b"ab", 36)
    assert Entry.parse(signed(frame[:at] + b"\xff\xfe" + frame[at + 2 : -4])) is None
