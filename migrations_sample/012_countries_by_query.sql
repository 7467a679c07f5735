-- A function that makes tiles, called as Martin calls one: zoom, column and row, and the query string as JSON, with
-- numbers as such; the text beside the tile becomes its ETag. /tiles/countries_by_query/3/4/2?continent=Europe
CREATE OR REPLACE FUNCTION sample.countries_by_query(z integer, x integer, y integer, query json)
RETURNS TABLE (mvt bytea, tag text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $function$
    SELECT tile.mvt, md5(tile.mvt)
    FROM (
        SELECT ST_AsMVT(country, 'countries', 4096, 'geom') AS mvt
        FROM (
            SELECT c.name, c.continent,
                ST_AsMVTGeom(
                    ST_Transform(ST_Simplify(ST_ClipByBox2D(c.geom, bounds.lonlat), 180 / 2 ^ (z + 9), true), 3857), bounds.box, 4096, 64
                ) AS geom
            FROM (
                SELECT ST_TileEnvelope(z, x, y) AS box, ST_Expand(ST_Transform(ST_TileEnvelope(z, x, y), 4326), 360 / 2 ^ z / 50) AS lonlat
            ) AS bounds
            JOIN sample.countries c ON c.geom && bounds.lonlat
            WHERE query ->> 'continent' IS NULL OR c.continent = query ->> 'continent'
            ORDER BY c.id
        ) AS country
        WHERE country.geom IS NOT NULL
        HAVING count(*) > 0
    ) AS tile
$function$;

COMMENT ON FUNCTION sample.countries_by_query(integer, integer, integer, json) IS $json${
    "description": "Countries of one continent.",
    "maxzoom": 10,
    "vector_layers": [{"id": "countries", "fields": {"name": "String", "continent": "String"}, "geometry_type": "MULTIPOLYGON"}]
}$json$;
