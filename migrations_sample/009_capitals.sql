-- A materialized view: capitals of states and of dependent territories, each with its country: by code, else by
-- place, since Natural Earth has no code for France and Norway, and its coasts are too coarse for place alone.
CREATE MATERIALIZED VIEW IF NOT EXISTS sample.capitals AS
SELECT cities.id, cities.name, COALESCE(by_code.name, by_place.name) AS country, cities.population, cities.geom
FROM sample.cities
LEFT JOIN sample.countries AS by_code ON by_code.iso_a2 = cities.country
LEFT JOIN sample.countries AS by_place ON by_place.iso_a2 IS NULL AND ST_Intersects(by_place.geom, cities.geom)
WHERE cities.feature_code = 'PPLC';

-- A refresh that lets readers go on needs a unique index.
CREATE UNIQUE INDEX IF NOT EXISTS capitals_id_idx ON sample.capitals (id);
CREATE INDEX IF NOT EXISTS capitals_geom_idx ON sample.capitals USING gist (geom);

COMMENT ON MATERIALIZED VIEW sample.capitals IS $json${
    "description": "Capitals of states and of dependent territories.",
    "attribution": "<a href=\"https://www.geonames.org/\">GeoNames</a> (<a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a>)"
}$json$;
COMMENT ON COLUMN sample.capitals.id IS 'Number of the place in GeoNames';
COMMENT ON COLUMN sample.capitals.country IS 'Name of its country; NULL for what Natural Earth does not draw';

REFRESH MATERIALIZED VIEW CONCURRENTLY sample.capitals;

ANALYZE sample.capitals;
