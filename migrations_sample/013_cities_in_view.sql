-- A function that returns rows, called as tipg calls one: the tile's box fills the geometry, the query string the rest. Its
-- comment makes it a layer. /tiles/cities_in_view/4/8/5?at_least=500000&columns=name
CREATE OR REPLACE FUNCTION sample.cities_in_view(bounds geometry, at_least integer DEFAULT 100000)
RETURNS TABLE (id integer, name text, country text, population integer, geom geometry)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $function$
    SELECT c.id, c.name, c.country, c.population, c.geom
    FROM sample.cities c
    WHERE c.geom && bounds AND c.population >= at_least
$function$;

COMMENT ON FUNCTION sample.cities_in_view(geometry, integer) IS $json${
    "layer": true,
    "id": "id",
    "description": "Cities of at_least so many inhabitants, 100,000 where nothing is asked.",
    "attribution": "<a href=\"https://www.geonames.org/\">GeoNames</a> (<a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a>)",
    "arguments": {"at_least": "Inhabitants, at least."}
}$json$;
