"""The bytes that other people's code may give for one tile: counted in the database, and not sent where they are too many."""

from __future__ import annotations

import logging

from isal import isal_zlib
from psycopg import sql

from ..errors import QueryFailed

log = logging.getLogger(__name__)

MOST = "most_bytes"
"""The statement's parameter for the most bytes of a tile."""


def bounded(statement: sql.Composable, *, has_tag: bool = False) -> sql.Composed:
    """A statement of one row (tile, whether a limit cut it and, with `has_tag`, a text for the ETag), with that text or
    NULL as third and the tile's size as fourth column.

    The tile is NULL where it has more bytes than the parameter `most_bytes` says. A text too long for a header becomes
    another one of some bytes, the same for the same text.
    """
    tag = sql.SQL(
        "CASE WHEN pg_catalog.octet_length(made.tag) <= 1000 THEN made.tag"
        " ELSE pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(made.tag, 'UTF8')), 'hex') END"
    )
    return sql.SQL(
        "SELECT CASE WHEN pg_catalog.octet_length(made.body) <= {most}::pg_catalog.int8 THEN made.body END, made.limited,"
        " {tag}, pg_catalog.octet_length(made.body)\nFROM (\n{statement}\n) AS made ({columns})"
    ).format(
        most=sql.Placeholder(MOST),
        tag=tag if has_tag else sql.SQL("NULL::pg_catalog.text"),
        statement=statement,
        columns=sql.SQL(", ").join(map(sql.Identifier, ("body", "limited", *(("tag",) if has_tag else ())))),
    )


def refuse_size(layer_id: str, size: int | None, most: int) -> None:
    """QueryFailed where a tile of this layer has more bytes, `size`, than are let through."""
    if size is not None and size > most:
        _too_large(layer_id, f"{size} bytes", most)


def unpacked(layer_id: str, stream: bytes, most: int) -> bytes | None:
    """What a gzip stream holds, None where it is not whole. QueryFailed where that is more than `most` bytes."""
    unpacking = isal_zlib.decompressobj(wbits=31)
    try:
        # A small stream can hold a thousand times its size: no more of it is unpacked than is let through.
        raw = unpacking.decompress(stream, most + 1)
    except isal_zlib.error:  # type: ignore[misc]  # its stub says it is no exception
        return None
    if len(raw) > most:
        _too_large(layer_id, f"more than {most} bytes, unpacked", most)
    return bytes(raw) if unpacking.eof else None


def _too_large(layer_id: str, size: str, most: int) -> None:
    log.warning("a tile of layer %s has %s: FLAGSTONE_MAX_TILE_BYTES is %d", layer_id, size, most)
    raise QueryFailed(f"The tile of layer {layer_id} has {size}; at most {most} are let through.")
