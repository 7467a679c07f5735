-- Cities of the world: many points, dense enough that a low zoom meets the limit of features. The key follows the
-- population, because the limit keeps the first rows in the key's order.
CREATE TABLE IF NOT EXISTS sample.cities (
    rank integer PRIMARY KEY,
    id integer NOT NULL,
    name text NOT NULL,
    country text NOT NULL,
    feature_code text NOT NULL,
    population integer NOT NULL,
    geom geometry(Point, 4326) NOT NULL
);

CREATE INDEX IF NOT EXISTS cities_geom_idx ON sample.cities USING gist (geom);

COMMENT ON TABLE sample.cities IS $json${
    "description": "Populated places of 15,000 inhabitants and more.",
    "attribution": "<a href=\"https://www.geonames.org/\">GeoNames</a> (<a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a>)"
}$json$;
COMMENT ON COLUMN sample.cities.rank IS 'Place in the order of population, 1 is the largest';
COMMENT ON COLUMN sample.cities.id IS 'Number of the place in GeoNames';
COMMENT ON COLUMN sample.cities.country IS 'ISO 3166-1 code of two letters';
COMMENT ON COLUMN sample.cities.feature_code IS 'Kind of place as GeoNames codes it; PPLC is a capital';
COMMENT ON COLUMN sample.cities.population IS 'Number of inhabitants';

DELETE FROM sample.cities WHERE rank > (SELECT count(*) FROM pg_temp.cities);

INSERT INTO sample.cities AS kept (rank, id, name, country, feature_code, population, geom)
SELECT row_number() OVER (ORDER BY population::integer DESC, id::integer), id::integer, name, country, feature_code,
       population::integer, ST_SetSRID(ST_MakePoint(lon::double precision, lat::double precision), 4326)
FROM pg_temp.cities
ON CONFLICT (rank) DO UPDATE SET
    id = excluded.id,
    name = excluded.name,
    country = excluded.country,
    feature_code = excluded.feature_code,
    population = excluded.population,
    geom = excluded.geom
WHERE kept.* IS DISTINCT FROM excluded.*;

ANALYZE sample.cities;
