"""What the bytes of a vector tile look like from outside (MVT 2.1 §4.1): a row of protobuf fields, each a layer."""

from __future__ import annotations

_LAYER = 3 << 3 | 2
"""The key of a layer: field 3, with its length in front."""
_EXTENSIONS = range(16, 8192)
"""Fields that vector_tile.proto leaves to others; readers skip them."""
_VARINT, _EIGHT_BYTES, _WITH_LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST = 10
"""Bytes of a varint."""


def is_vector_tile(raw: bytes) -> bool:
    """Whether layers follow one another from the first byte to the last.

    What is in the layers is not looked at: it takes a microsecond for each layer, however large it is. Bytes that are
    none would make the layers behind them in a composite unreadable.
    """
    at, end = 0, len(raw)
    try:
        while at < end:
            at = _after_field(raw, at)
    except (IndexError, ValueError):
        return False
    return at == end


def _after_field(raw: bytes, at: int) -> int:
    """Where the field that begins there ends; IndexError or ValueError where none does."""
    key, at = _varint(raw, at)
    if key != _LAYER and key >> 3 not in _EXTENSIONS:
        raise ValueError
    kind = key & 7
    if kind == _WITH_LENGTH:
        length, at = _varint(raw, at)
        return at + length
    if kind == _VARINT:
        return _varint(raw, at)[1]
    if kind == _EIGHT_BYTES:
        return at + 8
    if kind == _FOUR_BYTES:
        return at + 4
    raise ValueError


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    value = 0
    for place in range(_LONGEST):
        byte = raw[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError
