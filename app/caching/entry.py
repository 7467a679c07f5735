"""A cached tile, and the frame of bytes in which it lies in a cache.

The frame is ours and no pickle: whoever can write to the cache must not get code executed. Layout, big-endian:

    4s  magic      "FsTl"
    B   version of this layout
    B   flags      bits 0 and 1: how much the tile shows, as `How` numbers it
    H   bytes of the version text
    B   bytes of the media type; 0 for a vector tile
    B   bytes of the tag that a function gave; 0 where the hash is the tag
    I   bytes of the body
    d   when the tile was made, unix seconds
    16s hash of the uncompressed tile; zeros beside a tag
    ... version text (UTF-8), media type and tag (ASCII), body (a vector tile as one joinable gzip stream, anything
        else as it is, or nothing for an empty tile)
    I   CRC-32 of all before it
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from isal import isal_zlib

from ..layers.how import How
from . import gzip_stream

_HEADER = struct.Struct(">4sBBHBBId16s")
_CRC = struct.Struct(">I")
_MAGIC = b"FsTl"
_LAYOUT = 5
"""Raised also where what a body may be changes: before 4, gzip streams could not be joined."""
_HOW = 3
_HASH_BYTES = 16
_NO_HASH = bytes(_HASH_BYTES)
HEAD_BYTES = 640
"""Enough for the header and all texts behind it, but for a version of very many tables in memory."""
_HASH = re.compile(r"[0-9a-f]{32}")
_MEDIA_TYPE = re.compile(r"[a-z]{1,30}/[a-z0-9][a-z0-9.+-]{0,80}")
_OPAQUE = re.compile(r"[!\x23-\x2b\x2d-\x7e]{1,200}")
"""What a tag may be made of (RFC 9110 §8.8.3), without the quotes around it and the comma that divides a list of tags."""


class Entry(NamedTuple):
    """An encoded tile. `body` is one joinable gzip stream, or for another media type the bytes themselves; `b""` where
    empty.

    `etag` is the hash of the uncompressed tile in hexadecimal, the same from every worker, or what a function gave as
    its tag; without quotes and without a content coding. `made_at` is in unix seconds. `media_type` is empty for a
    vector tile.
    """

    body: bytes
    etag: str
    made_at: float
    version: str
    how: How
    media_type: str = ""
    missing: tuple[str, ...] = ()
    """MVT names of the layers that a composite goes without. Such a one is never kept, and not in the frame."""
    is_head: bool = False
    """Only the beginning of the frame was read: there is a body, and it is not here."""
    is_stale: bool = False
    """It may not be what the database would give now; shown for a while where that is allowed."""

    @classmethod
    def of(
        cls, raw: bytes, how: How, made_at: float, version: str, *, media_type: str = "", tag: str | None = None
    ) -> Entry:
        """Compress a tile once, for the cache and every client. Equal tiles give equal bytes: no time in the stream.

        What is no vector tile is a picture most of the time, and compressed already. `tag` becomes the ETag where it
        may stand in a header; else its hash does.
        """
        body = raw if media_type or not raw else gzip_stream.compressed(raw)
        if tag and _OPAQUE.fullmatch(tag):
            etag = tag
        else:
            etag = _hash(tag.encode("utf-8", "surrogatepass") if tag else raw)
        return cls(body, etag, made_at, version, how, media_type)

    @classmethod
    def joined(cls, parts: Sequence[Entry], made_at: float) -> Entry:
        """One vector tile of several, whose layers follow one another (MVT 2.1 §4.1). Nothing is unpacked for it.

        Its ETag is a hash over those of the parts that are not empty, in their order. A function may give one tag to
        different tiles, so that their checksums and lengths are in it too.
        """
        filled = [part for part in parts if part.body]
        identity = blake2b(digest_size=_HASH_BYTES)
        for part in filled:
            identity.update(b"%b\0%b" % (part.etag.encode(), gzip_stream.trailer(part.body)))
        body = gzip_stream.joined([part.body for part in filled]) if filled else b""
        return cls(body, identity.hexdigest(), made_at, "", max((part.how for part in parts), default=How.FULL))

    @property
    def is_gzip(self) -> bool:
        """Whether the body is a gzip stream."""
        return not self.media_type

    def raw(self) -> bytes:
        """The uncompressed tile, for a client that takes no gzip."""
        if self.media_type or not self.body:
            return self.body
        return gzip_stream.decompressed(self.body)

    def framed(self) -> bytes:
        """The entry as bytes for a cache."""
        version, media_type = self.version.encode(), self.media_type.encode()
        is_hash = _HASH.fullmatch(self.etag) is not None
        tag = b"" if is_hash else self.etag.encode()
        header = _HEADER.pack(
            _MAGIC, _LAYOUT, self.how, len(version), len(media_type), len(tag), len(self.body),
            self.made_at, bytes.fromhex(self.etag) if is_hash else _NO_HASH,
        )  # fmt: skip
        content = b"".join((header, version, media_type, tag, self.body))
        return content + _CRC.pack(isal_zlib.crc32(content))

    @classmethod
    def head(cls, beginning: bytes, size: int) -> Entry | None:
        """The entry without its body, from the first `HEAD_BYTES` of a frame that has `size` in all; None for anything else.

        Nobody looks whether the body is sound: it is for a client that has it already.
        """
        if len(beginning) < min(size, HEAD_BYTES) or size < _HEADER.size + _CRC.size:
            return None
        magic, layout, flags, version_size, type_size, tag_size, body_size, made_at, etag = _HEADER.unpack_from(beginning)
        end = _HEADER.size + version_size + type_size + tag_size
        if magic != _MAGIC or layout != _LAYOUT or size != end + body_size + _CRC.size or end > len(beginning):
            return None
        told = _told(beginning, version_size, type_size, tag_size, etag)
        if told is None or not math.isfinite(made_at):
            return None
        version, media_type, tag = told
        return cls(b"", tag, made_at, version, How(flags & _HOW), media_type, is_head=body_size > 0)

    @classmethod
    def parse(cls, frame: bytes) -> Entry | None:
        """The entry in a frame; None for anything else, whoever wrote it."""
        if len(frame) < _HEADER.size + _CRC.size:
            return None
        magic, layout, flags, version_size, type_size, tag_size, body_size, made_at, etag = _HEADER.unpack_from(frame)
        if magic != _MAGIC or layout != _LAYOUT:
            return None
        body_at = _HEADER.size + version_size + type_size + tag_size
        end = body_at + body_size
        if len(frame) != end + _CRC.size or not math.isfinite(made_at):
            return None
        # isal's CRC, as gzip's own: zlib's takes 14 times as long (10 µs for 30 kB).
        if _CRC.unpack_from(frame, end)[0] != isal_zlib.crc32(memoryview(frame)[:end]):
            return None
        told = _told(frame, version_size, type_size, tag_size, etag)
        if told is None:
            return None
        version, media_type, tag = told
        return cls(frame[body_at:end], tag, made_at, version, How(flags & _HOW), media_type)


def _told(frame: bytes, version_size: int, type_size: int, tag_size: int, etag: bytes) -> tuple[str, str, str] | None:
    """Version, media type and tag behind the header; None where they cannot be."""
    type_at = _HEADER.size + version_size
    tag_at = type_at + type_size
    try:
        version = frame[_HEADER.size : type_at].decode() if version_size else ""
        media_type = frame[type_at:tag_at].decode("ascii") if type_size else ""
        tag = frame[tag_at : tag_at + tag_size].decode("ascii") if tag_size else etag.hex()
    except UnicodeDecodeError:
        return None
    if (type_size and not _MEDIA_TYPE.fullmatch(media_type)) or (tag_size and not _OPAQUE.fullmatch(tag)):
        return None
    return version, media_type, tag


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=_HASH_BYTES).hexdigest()
