import gzip
import random
import zlib

import pytest
from isal import igzip

from app.caching.gzip_stream import compressed, decompressed, joined


def only_member(stream: bytes) -> bytes:
    """What Chromium and curl make of it: they stop where the first member ends."""
    reader = zlib.decompressobj(31)
    raw = reader.decompress(stream)
    assert reader.eof
    assert not reader.unused_data
    return raw


def drawn(seed: int, count: int, most: int) -> list[bytes]:
    """Bytes that compress well, badly and not at all."""
    draw = random.Random(seed)
    kinds = (
        draw.randbytes,
        bytes,
        lambda size: bytes(draw.choices(b"abcdefgh", k=size)),
        lambda size: (draw.randbytes(37) * (size // 37 + 1))[:size],
    )
    return [draw.choice(kinds)(draw.choice((1, 2, draw.randint(1, 300), draw.randint(1, most)))) for _ in range(count)]


def test_every_reader_takes_a_stream() -> None:
    for raw in (b"", *drawn(1, 300, 70_000), bytes(5_000_000)):
        stream = compressed(raw)
        assert only_member(stream) == gzip.decompress(stream) == decompressed(stream) == raw


@pytest.mark.parametrize("count", [1, 2, 3, 4, 20])
def test_joined_streams_are_one_member_of_all_their_bytes(count: int) -> None:
    for seed in range(20):
        parts = drawn(seed, count, 70_000)
        stream = joined(map(compressed, parts))
        assert only_member(stream) == gzip.decompress(stream) == decompressed(stream) == b"".join(parts)


def test_what_is_joined_can_be_joined_again_to_the_same_bytes() -> None:
    a, b, c = map(compressed, drawn(2, 3, 200_000))
    assert joined([joined([a, b]), c]) == joined([a, joined([b, c])]) == joined([a, b, c])
    assert joined([a]) == a
    assert joined([a, compressed(b"")]) != a  # but the same tile
    assert decompressed(joined([compressed(b""), a])) == decompressed(a)


def test_that_it_can_be_joined_costs_a_stream_a_few_bytes() -> None:
    for raw in drawn(3, 300, 70_000):
        # Noise is stored as it is by the one, and grows by a thousandth in the other.
        assert len(compressed(raw)) <= len(igzip.compress(raw, 1)) + 12 + len(raw) // 500


def test_equal_bytes_give_equal_streams() -> None:
    raw = drawn(4, 1, 300_000)[0]
    assert compressed(raw) == compressed(bytes(bytearray(raw)))


def test_a_broken_byte_is_noticed_by_the_combined_checksum() -> None:
    first, second = b"some layer" * 50, b"another layer" * 50
    whole = joined([compressed(first), compressed(second)])
    swapped = joined([compressed(second), compressed(first)])
    assert whole[-8:-4] != swapped[-8:-4]
    with pytest.raises(zlib.error, match="incorrect data check"):
        only_member(whole[:-8] + swapped[-8:])
