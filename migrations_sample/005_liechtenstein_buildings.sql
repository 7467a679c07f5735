-- Buildings of Liechtenstein: polygons in EPSG:2056 (CH1903+ / LV95, metres), the grid that its surveyors use.
CREATE TABLE IF NOT EXISTS sample.liechtenstein_buildings (
    id integer PRIMARY KEY,
    kind text NOT NULL,
    name text,
    housenumber text,
    geom geometry(Polygon, 2056) NOT NULL
);

CREATE INDEX IF NOT EXISTS liechtenstein_buildings_geom_idx ON sample.liechtenstein_buildings USING gist (geom);

COMMENT ON TABLE sample.liechtenstein_buildings IS $json${
    "description": "Buildings of Liechtenstein.",
    "attribution": "<a href=\"https://www.openstreetmap.org/copyright\">© OpenStreetMap contributors</a>"
}$json$;
COMMENT ON COLUMN sample.liechtenstein_buildings.kind IS 'Value of the tag building; "building" where it says only yes';
COMMENT ON COLUMN sample.liechtenstein_buildings.housenumber IS 'Number in the street, with its letter';

DELETE FROM sample.liechtenstein_buildings WHERE id NOT IN (SELECT id::integer FROM pg_temp.liechtenstein_buildings);

INSERT INTO sample.liechtenstein_buildings AS kept (id, kind, name, housenumber, geom)
SELECT id::integer, kind, name, housenumber, ST_Transform(ST_GeomFromText(wkt, 4326), 2056)
FROM pg_temp.liechtenstein_buildings
ON CONFLICT (id) DO UPDATE SET
    kind = excluded.kind,
    name = excluded.name,
    housenumber = excluded.housenumber,
    geom = excluded.geom
WHERE kept.* IS DISTINCT FROM excluded.*;

ANALYZE sample.liechtenstein_buildings;
