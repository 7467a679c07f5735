-- What a simple tile server runs: every row whose box meets the tile's, its whole geometry transformed, then clipped and
-- encoded, with the id as an attribute and as the feature id, as Flagstone gives it. No limit, no budget. Only at the edge of
-- the world it is helped: its search box ends there, because beyond it the transformed corners come out on the other side of
-- the earth, and most rows are lost.
SELECT ST_AsMVT(tile, {name}, 4096, 'geom', 'feature id') FROM (
    SELECT ST_AsMVTGeom(
        ST_Transform(geom, 3857), ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 256, true
    ) AS geom, {columns}, id AS "feature id"
    FROM {relation}
    WHERE geom && ST_Transform(
        ST_Intersection(ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 0.0625), ST_TileEnvelope(0, 0, 0)), 4326
    )
) AS tile
