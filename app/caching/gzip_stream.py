"""Gzip streams that can be joined without unpacking them (RFC 1951, RFC 1952).

Chromium and curl read only the first of two gzip members, so what is joined has to become one:

    header, 10 bytes                 the same in every stream: no time, no name
    deflate blocks                   none is the last, and a sync flush ends them at the boundary of a byte
    03 00                            an empty block that is the last
    CRC-32, length mod 2^32          of the uncompressed bytes, little-endian

Blocks refer back to bytes before them, never to how many came before those: behind the blocks of another stream they
mean what they meant.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from isal import isal_zlib

_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_LAST_BLOCK = b"\x03\0"
_TRAILER = struct.Struct("<II")
_END = len(_LAST_BLOCK) + _TRAILER.size


def compressed(raw: bytes) -> bytes:
    """The bytes as one joinable stream. Equal bytes give equal streams."""
    deflate = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    blocks, rest = deflate.compress(raw), deflate.flush(isal_zlib.Z_SYNC_FLUSH)
    return b"".join((_HEADER, blocks, rest, _LAST_BLOCK, _TRAILER.pack(isal_zlib.crc32(raw), len(raw) & 0xFFFF_FFFF)))


def decompressed(stream: bytes) -> bytes:
    """What was compressed."""
    raw: bytes = isal_zlib.decompress(stream, wbits=16 + isal_zlib.MAX_WBITS)
    return raw


def trailer(stream: bytes) -> bytes:
    """Checksum and length of what was compressed, 8 bytes."""
    return stream[-_TRAILER.size :]


def joined(streams: Iterable[bytes]) -> bytes:
    """One joinable stream of all that was compressed into these by `compressed`, or joined, in this order."""
    checksum = length = 0
    pieces: list[bytes | memoryview] = [_HEADER]
    for stream in streams:
        of_this, size = _TRAILER.unpack_from(stream, len(stream) - _TRAILER.size)
        checksum = isal_zlib.crc32_combine(checksum, of_this, size)
        length += size
        pieces.append(memoryview(stream)[len(_HEADER) : -_END])
    pieces += (_LAST_BLOCK, _TRAILER.pack(checksum, length & 0xFFFF_FFFF))
    return b"".join(pieces)
