import gzip
import math
import pickle
import random
import struct

import pytest
from isal.isal_zlib import crc32

from app.caching.entry import HEAD_BYTES, Entry
from app.layers.how import How

ENTRY = Entry.of(b"a tile" * 100, how=How.FULL, made_at=1_780_000_000.123456, version="")


def signed(content: bytes) -> bytes:
    """A frame with a right checksum, as somebody who knows the format could write it."""
    return content + struct.pack(">I", crc32(content))


def test_body_is_one_gzip_stream_that_every_reader_takes() -> None:
    assert gzip.decompress(ENTRY.body) == ENTRY.raw() == b"a tile" * 100


def test_empty_tile_has_an_empty_body() -> None:
    empty = Entry.of(b"", how=How.FULL, made_at=1.0, version="")
    assert (empty.body, empty.raw()) == (b"", b"")
    assert Entry.parse(empty.framed()) == empty


def test_equal_tiles_have_equal_bytes_and_tags_whenever_they_are_made() -> None:
    later = Entry.of(b"a tile" * 100, how=How.FULL, made_at=1_790_000_000.0, version="x")
    assert (later.body, later.etag) == (ENTRY.body, ENTRY.etag)
    assert Entry.of(b"another", how=How.FULL, made_at=1.0, version="").etag != ENTRY.etag


def test_frame_gives_back_every_entry() -> None:
    draw = random.Random(20260601)
    for _ in range(2_000):
        entry = Entry(
            body=draw.randbytes(draw.choice((0, 1, 100, 3_000))),
            etag=draw.randbytes(16).hex(),
            made_at=draw.uniform(-1e10, 1e10),
            version="".join(draw.choices("aé中\U0001f5fa\x00", k=draw.choice((0, 0, 5)))),
            how=draw.choice(list(How)),
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


@pytest.mark.parametrize("layout", [0, 1, 2, 3, 4, 6])
def test_other_layout_is_refused_although_its_checksum_is_right(layout: int) -> None:
    """Bodies of layout 3 are gzip streams too, but cannot be joined."""
    content = bytearray(ENTRY.framed()[:-4])
    content[4] = layout
    assert Entry.parse(signed(bytes(content))) is None


@pytest.mark.parametrize("made_at", [math.nan, math.inf, -math.inf])
def test_time_that_is_no_time_is_refused(made_at: float) -> None:
    assert Entry.parse(ENTRY._replace(made_at=made_at).framed()) is None


def test_version_that_is_no_text_is_refused() -> None:
    frame = ENTRY._replace(version="ab").framed()
    at = frame.index(b"ab", 36)
    assert Entry.parse(signed(frame[:at] + b"\xff\xfe" + frame[at + 2 : -4])) is None


# --- several in one -------------------------------------------------------------------------------------------------


def part(raw: bytes, *, how: How = How.FULL, made_at: float = 1.0, tag: str | None = None) -> Entry:
    return Entry.of(raw, how=how, made_at=made_at, version="", tag=tag)


ROADS, WATER, NOTHING = part(b"roads" * 100), part(b"water" * 300), part(b"")


def test_joined_tiles_follow_one_another_in_one_stream() -> None:
    whole = Entry.joined([ROADS, NOTHING, WATER], 7.0)
    assert gzip.decompress(whole.body) == whole.raw() == ROADS.raw() + WATER.raw()
    assert (whole.made_at, whole.how, whole.media_type, whole.missing) == (7.0, How.FULL, "", ())
    assert Entry.parse(whole.framed()) == whole
    assert Entry.joined([ROADS, part(b"x", how=How.LIMITED)], 7.0).how is How.LIMITED


def test_joined_tiles_have_the_same_bytes_and_tag_whether_made_or_kept() -> None:
    made = Entry.joined([ROADS, WATER], 7.0)
    kept = [each for entry in (ROADS, WATER) if (each := Entry.parse(entry._replace(made_at=5.0).framed()))]
    again = Entry.joined(kept, 8.0)
    assert (again.body, again.etag) == (made.body, made.etag)


def test_joined_tiles_of_other_parts_or_another_order_have_other_tags() -> None:
    several = ([ROADS], [WATER], [ROADS, WATER], [WATER, ROADS], [ROADS, ROADS, WATER], [NOTHING])
    assert len({Entry.joined(parts, 1.0).etag for parts in several}) == len(several)


def test_an_empty_part_changes_nothing() -> None:
    alone = Entry.joined([ROADS], 1.0)
    for parts in ([NOTHING, ROADS], [ROADS, NOTHING], [ROADS, part(b"", tag="empty-7")]):
        assert Entry.joined(parts, 1.0) == alone


def test_of_empty_parts_comes_an_empty_tile() -> None:
    assert Entry.joined([NOTHING, NOTHING], 1.0)[:2] == Entry.joined([], 1.0)[:2] == (b"", NOTHING.etag)


def test_a_functions_tag_for_two_different_tiles_does_not_make_their_composites_equal() -> None:
    one, other = part(b"roads", tag="v1"), part(b"rails", tag="v1")
    assert one.etag == other.etag
    assert Entry.joined([one, WATER], 1.0).etag != Entry.joined([other, WATER], 1.0).etag
    assert Entry.joined([one, WATER], 1.0).etag != Entry.joined([part(b"roads", tag="v2"), WATER], 1.0).etag


HEADS = [
    Entry.of(b"a tile" * 5_000, How.LIMITED, 1_780_000_000.5, "v1"),
    Entry.of(b"", How.FULL, 1.0, ""),
    Entry.of(b"x", How.FULL, 1.0, "word" * 20),
    Entry.of(b"<svg/>", How.FULL, 1.0, "v", media_type="image/svg+xml", tag="its-own"),
]


@pytest.mark.parametrize("entry", HEADS)
def test_head_of_a_frame_tells_all_but_the_body(entry: Entry) -> None:
    frame = entry.framed()
    expected = entry._replace(body=b"", is_head=bool(entry.body))
    assert Entry.head(frame[:HEAD_BYTES], len(frame)) == expected
    assert Entry.head(frame, len(frame)) == expected


@pytest.mark.parametrize("entry", HEADS)
def test_head_of_anything_else_is_none(entry: Entry) -> None:
    frame = entry.framed()
    beginning = frame[:HEAD_BYTES]
    assert Entry.head(beginning, len(frame) + 1) is None
    assert Entry.head(beginning, len(frame) - 1) is None
    assert Entry.head(b"", 0) is None
    assert Entry.head(beginning[:20], len(frame)) is None
    assert Entry.head(b"X" + beginning[1:], len(frame)) is None
    assert Entry.head(beginning[:4] + b"\x04" + beginning[5:], len(frame)) is None
    for at in range(len(beginning)):
        Entry.head(beginning[:at] + b"\xff" + beginning[at + 1 :], len(frame))


def test_version_longer_than_a_head_needs_the_whole_frame() -> None:
    frame = Entry.of(b"x" * 2000, How.FULL, 1.0, "v" * 1000).framed()
    assert Entry.head(frame[:HEAD_BYTES], len(frame)) is None
