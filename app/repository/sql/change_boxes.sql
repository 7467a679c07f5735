-- Boxes of one CRS in longitude and latitude. Their edges may be bent there, so they are cut into steps before.
-- In psql: \set xmin '{0}' (and ymin, xmax, ymax) \set srid 3857 \set lonlat 4326 \set steps 16 \set postgis public
SELECT :"postgis".ST_XMin(p.g), :"postgis".ST_YMin(p.g), :"postgis".ST_XMax(p.g), :"postgis".ST_YMax(p.g)
FROM unnest(:'xmin'::float8[], :'ymin'::float8[], :'xmax'::float8[], :'ymax'::float8[]) WITH ORDINALITY AS b (x1, y1, x2, y2, place)
CROSS JOIN LATERAL (
    SELECT :"postgis".ST_Transform(
        CASE WHEN greatest(b.x2 - b.x1, b.y2 - b.y1) > 0 THEN
            :"postgis".ST_Segmentize(
                :"postgis".ST_MakeEnvelope(b.x1, b.y1, b.x2, b.y2, :'srid'::int),
                greatest(b.x2 - b.x1, b.y2 - b.y1) / :'steps'::float8
            )
        ELSE :"postgis".ST_SetSRID(:"postgis".ST_MakePoint(b.x1, b.y1), :'srid'::int) END,
        :'lonlat'::int
    ) AS g
) AS p
ORDER BY b.place
