"""A cached tile, and the frame of bytes in which it lies in a cache.

The frame is ours and no pickle: whoever can write to the cache must not get code executed. Layout, big-endian:

    4s  magic      "FsTl"
    B   version of this layout
    B   flags      bit 0: a limit cut features
    H   bytes of the version text
    I   bytes of the body
    d   when the tile was made, unix seconds
    16s hash of the uncompressed tile
    ... version text (UTF-8), body (one gzip stream, or nothing for an empty tile)
    I   CRC-32 of all before it
"""

from __future__ import annotations

import math
import struct
from hashlib import blake2b
from typing import NamedTuple

from isal import igzip, isal_zlib

_HEADER = struct.Struct(">4sBBHId16s")
_CRC = struct.Struct(">I")
_MAGIC = b"FsTl"
_LAYOUT = 2
_LIMITED = 1
_HASH_BYTES = 16


class Entry(NamedTuple):
    """An encoded tile. `body` is one gzip stream, `b""` for an empty tile.

    `etag` is the hash of the uncompressed tile in hexadecimal, the same from every worker, without quotes and
    without a content coding. `made_at` is in unix seconds.
    """

    body: bytes
    etag: str
    made_at: float
    version: str
    limited: bool

    @classmethod
    def of(cls, raw: bytes, limited: bool, made_at: float, version: str) -> Entry:
        """Compress a tile once, for the cache and every client. Equal tiles give equal bytes: no time in the stream."""
        body = igzip.compress(raw, 1, mtime=0) if raw else b""
        return cls(body, blake2b(raw, digest_size=_HASH_BYTES).hexdigest(), made_at, version, limited)

    def raw(self) -> bytes:
        """The uncompressed tile, for a client that takes no gzip."""
        return isal_zlib.decompress(self.body, wbits=31) if self.body else b""

    def framed(self) -> bytes:
        """The entry as bytes for a cache."""
        version = self.version.encode()
        header = _HEADER.pack(
            _MAGIC, _LAYOUT, _LIMITED if self.limited else 0, len(version), len(self.body), self.made_at,
            bytes.fromhex(self.etag),
        )  # fmt: skip
        content = b"".join((header, version, self.body))
        return content + _CRC.pack(isal_zlib.crc32(content))

    @classmethod
    def parse(cls, frame: bytes) -> Entry | None:
        """The entry in a frame; None for anything else, whoever wrote it."""
        if len(frame) < _HEADER.size + _CRC.size:
            return None
        magic, layout, flags, version_size, body_size, made_at, etag = _HEADER.unpack_from(frame)
        if magic != _MAGIC or layout != _LAYOUT:
            return None
        body_at = _HEADER.size + version_size
        end = body_at + body_size
        if len(frame) != end + _CRC.size or not math.isfinite(made_at):
            return None
        # isal's CRC, as gzip's own: zlib's takes 14 times as long (10 µs for 30 kB).
        if _CRC.unpack_from(frame, end)[0] != isal_zlib.crc32(memoryview(frame)[:end]):
            return None
        try:
            version = frame[_HEADER.size : body_at].decode() if version_size else ""
        except UnicodeDecodeError:
            return None
        return cls(frame[body_at:end], etag.hex(), made_at, version, bool(flags & _LIMITED))
