-- Land use of Liechtenstein: polygons in EPSG:4326, with a numeric column, which a tile cannot hold as it is.
CREATE TABLE IF NOT EXISTS sample.liechtenstein_landuse (
    id integer PRIMARY KEY,
    kind text NOT NULL,
    name text,
    area_m2 numeric NOT NULL,
    geom geometry(Polygon, 4326) NOT NULL
);

CREATE INDEX IF NOT EXISTS liechtenstein_landuse_geom_idx ON sample.liechtenstein_landuse USING gist (geom);

COMMENT ON TABLE sample.liechtenstein_landuse IS $json${
    "description": "Land use of Liechtenstein: forests, vineyards, waters, places to live, work and play.",
    "attribution": "<a href=\"https://www.openstreetmap.org/copyright\">© OpenStreetMap contributors</a>"
}$json$;
COMMENT ON COLUMN sample.liechtenstein_landuse.kind IS 'Value of the tag landuse, leisure or natural';
COMMENT ON COLUMN sample.liechtenstein_landuse.area_m2 IS 'Area in square metres';

DELETE FROM sample.liechtenstein_landuse WHERE id NOT IN (SELECT id::integer FROM pg_temp.liechtenstein_landuse);

INSERT INTO sample.liechtenstein_landuse AS kept (id, kind, name, area_m2, geom)
SELECT id::integer, kind, name, area_m2::numeric, ST_GeomFromText(wkt, 4326)
FROM pg_temp.liechtenstein_landuse
ON CONFLICT (id) DO UPDATE SET
    kind = excluded.kind,
    name = excluded.name,
    area_m2 = excluded.area_m2,
    geom = excluded.geom
WHERE kept.* IS DISTINCT FROM excluded.*;

ANALYZE sample.liechtenstein_landuse;
