-- Roads of Liechtenstein: lines in EPSG:4326.
CREATE TABLE IF NOT EXISTS sample.liechtenstein_roads (
    id integer PRIMARY KEY,
    kind text NOT NULL,
    name text,
    ref text,
    oneway boolean,
    tunnel boolean,
    bridge boolean,
    geom geometry(LineString, 4326) NOT NULL
);

CREATE INDEX IF NOT EXISTS liechtenstein_roads_geom_idx ON sample.liechtenstein_roads USING gist (geom);

COMMENT ON TABLE sample.liechtenstein_roads IS $json${
    "description": "Roads, tracks and paths of Liechtenstein.",
    "attribution": "<a href=\"https://www.openstreetmap.org/copyright\">© OpenStreetMap contributors</a>"
}$json$;
COMMENT ON COLUMN sample.liechtenstein_roads.kind IS 'Value of the tag highway';
COMMENT ON COLUMN sample.liechtenstein_roads.ref IS 'Number of the road';
COMMENT ON COLUMN sample.liechtenstein_roads.oneway IS 'Whether traffic goes one way; NULL where nobody has said';

DELETE FROM sample.liechtenstein_roads WHERE id NOT IN (SELECT id::integer FROM pg_temp.liechtenstein_roads);

INSERT INTO sample.liechtenstein_roads AS kept (id, kind, name, ref, oneway, tunnel, bridge, geom)
SELECT id::integer, kind, name, ref, oneway::boolean, tunnel::boolean, bridge::boolean, ST_GeomFromText(wkt, 4326)
FROM pg_temp.liechtenstein_roads
ON CONFLICT (id) DO UPDATE SET
    kind = excluded.kind,
    name = excluded.name,
    ref = excluded.ref,
    oneway = excluded.oneway,
    tunnel = excluded.tunnel,
    bridge = excluded.bridge,
    geom = excluded.geom
WHERE kept.* IS DISTINCT FROM excluded.*;

ANALYZE sample.liechtenstein_roads;
