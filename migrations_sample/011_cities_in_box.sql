-- A function that makes tiles, called as TiMVT calls one: the tile's box, the number of its reference system, so that any
-- grid may ask, and the query string as JSON. /tiles/EuropeanETRS89_LAEAQuad/cities_in_box/2/1/1?at_least=500000
CREATE OR REPLACE FUNCTION sample.cities_in_box(
    xmin float, ymin float, xmax float, ymax float, epsg integer, query_params json
)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $function$
    SELECT ST_AsMVT(city, 'cities', 4096, 'geom', 'id')
    FROM (
        SELECT c.id::integer, c.name, c.population, ST_AsMVTGeom(ST_Transform(c.geom, epsg), tile.box, 4096, 64) AS geom
        FROM (SELECT ST_MakeEnvelope(xmin, ymin, xmax, ymax, epsg) AS box) AS tile
        JOIN sample.cities c ON c.geom && ST_Transform(ST_Segmentize(tile.box, (ST_XMax(tile.box) - ST_XMin(tile.box)) / 16), ST_SRID(c.geom))
        WHERE c.population >= coalesce((query_params ->> 'at_least')::integer, 100000)
        ORDER BY c.id
    ) AS city
    WHERE city.geom IS NOT NULL
    HAVING count(*) > 0
$function$;

COMMENT ON FUNCTION sample.cities_in_box(float, float, float, float, integer, json) IS $json${
    "description": "Cities of at_least so many inhabitants, 100,000 where nothing is asked.",
    "attribution": "<a href=\"https://www.geonames.org/\">GeoNames</a> (<a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a>)",
    "vector_layers": [{"id": "cities", "fields": {"name": "String", "population": "Number"}, "geometry_type": "POINT"}]
}$json$;
