-- The plain tile query, the yardstick for Flagstone's own: every row whose box meets the tile's, its whole geometry
-- transformed, then clipped and encoded, with the attributes and the feature id that Flagstone gives. Names in braces are
-- the layer's; the rest is fixed.
SELECT ST_AsMVT(tile, %(name)s, 4096, {geometry_name}{id_name}) FROM (
    SELECT ST_AsMVTGeom(
        ST_Transform({source}, 3857), ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 256, true
    ) AS {geometry}{columns}{id}
    FROM {relation} AS source
    WHERE {indexed} && ST_Transform(ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 0.0625), {srid}){cast}
    LIMIT %(limit)s
) AS tile
WHERE {geometry} IS NOT NULL
