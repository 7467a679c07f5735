-- Points of interest of Liechtenstein, in a geography column.
CREATE TABLE IF NOT EXISTS sample.liechtenstein_pois (
    id integer PRIMARY KEY,
    kind text NOT NULL,
    name text,
    geog geography(Point, 4326) NOT NULL
);

CREATE INDEX IF NOT EXISTS liechtenstein_pois_geog_idx ON sample.liechtenstein_pois USING gist (geog);

COMMENT ON TABLE sample.liechtenstein_pois IS $json${
    "description": "Points of interest of Liechtenstein: inns, benches, castles, car parks.",
    "attribution": "<a href=\"https://www.openstreetmap.org/copyright\">© OpenStreetMap contributors</a>"
}$json$;
COMMENT ON COLUMN sample.liechtenstein_pois.kind IS 'Value of the tag amenity, tourism, shop or the like';

DELETE FROM sample.liechtenstein_pois WHERE id NOT IN (SELECT id::integer FROM pg_temp.liechtenstein_pois);

INSERT INTO sample.liechtenstein_pois AS kept (id, kind, name, geog)
SELECT id::integer, kind, name, ST_GeogFromText('SRID=4326;' || wkt)
FROM pg_temp.liechtenstein_pois
ON CONFLICT (id) DO UPDATE SET
    kind = excluded.kind,
    name = excluded.name,
    geog = excluded.geog
WHERE kept.* IS DISTINCT FROM excluded.*;

ANALYZE sample.liechtenstein_pois;
