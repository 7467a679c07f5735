-- A function that makes tiles, called as pg_tileserv calls one: zoom, column and row, then arguments of its own, which
-- the query string fills by name. /tiles/roads_by_kind/13/4313/2872?kinds=residential,track
CREATE OR REPLACE FUNCTION sample.roads_by_kind(
    z integer, x integer, y integer, kinds text[] DEFAULT NULL, named_only boolean DEFAULT false
)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
-- PostGIS may live in any schema: the search path of the load finds it, whoever calls.
SET search_path FROM CURRENT
AS $function$
    SELECT ST_AsMVT(road, 'roads', 4096, 'geom', 'id')
    FROM (
        SELECT r.id::integer, r.name, r.kind, ST_AsMVTGeom(ST_Transform(r.geom, 3857), tile.box, 4096, 256) AS geom
        FROM (SELECT ST_TileEnvelope(z, x, y) AS box) AS tile
        -- The buffer is added in degrees: a box beyond 180 would come out of ST_Transform on the other side of the world.
        JOIN sample.liechtenstein_roads r ON r.geom && ST_Expand(ST_Transform(tile.box, 4326), 360 / 2 ^ z / 16)
        WHERE (kinds IS NULL OR r.kind = ANY (kinds)) AND (NOT named_only OR r.name IS NOT NULL)
        ORDER BY r.id
    ) AS road
    WHERE road.geom IS NOT NULL
    HAVING count(*) > 0
$function$;

COMMENT ON FUNCTION sample.roads_by_kind(integer, integer, integer, text[], boolean) IS $json${
    "description": "Roads of Liechtenstein, of some kinds only.",
    "attribution": "<a href=\"https://www.openstreetmap.org/copyright\">© OpenStreetMap contributors</a>",
    "bounds": [9.47, 47.04, 9.64, 47.28],
    "arguments": {"kinds": "Values of the tag highway; none means all.", "named_only": "Whether roads without a name are left out."},
    "vector_layers": [{"id": "roads", "fields": {"name": "String", "kind": "String"}, "geometry_type": "LINESTRING"}]
}$json$;
