-- Countries of the world: heavy multipolygons in EPSG:4326, the layer to look at from far away.
CREATE TABLE IF NOT EXISTS sample.countries (
    id integer PRIMARY KEY,
    iso_a2 text,
    iso_a3 text NOT NULL,
    name text NOT NULL,
    formal_name text,
    continent text NOT NULL,
    subregion text NOT NULL,
    population bigint NOT NULL,
    gdp_musd bigint NOT NULL,
    income_group text NOT NULL,
    geom geometry(MultiPolygon, 4326) NOT NULL
);

CREATE INDEX IF NOT EXISTS countries_geom_idx ON sample.countries USING gist (geom);

-- Public domain: no attribution is owed, so the comment is plain text.
COMMENT ON TABLE sample.countries IS 'Countries of the world, from Natural Earth.';
COMMENT ON COLUMN sample.countries.iso_a2 IS 'ISO 3166-1 code of two letters, where Natural Earth has one';
COMMENT ON COLUMN sample.countries.iso_a3 IS 'ISO 3166-1 code of three letters, or Natural Earth''s own';
COMMENT ON COLUMN sample.countries.formal_name IS 'Name of the state in full';
COMMENT ON COLUMN sample.countries.subregion IS 'Subregion as the United Nations has them';
COMMENT ON COLUMN sample.countries.population IS 'Estimated number of inhabitants';
COMMENT ON COLUMN sample.countries.gdp_musd IS 'Gross domestic product in millions of US dollars';
COMMENT ON COLUMN sample.countries.income_group IS 'Income group as the World Bank has them';

DELETE FROM sample.countries WHERE id NOT IN (SELECT id::integer FROM pg_temp.countries);

INSERT INTO sample.countries AS kept
       (id, iso_a2, iso_a3, name, formal_name, continent, subregion, population, gdp_musd, income_group, geom)
SELECT id::integer, iso_a2, iso_a3, name, formal_name, continent, subregion, population::bigint, gdp_musd::bigint,
       income_group, ST_GeomFromText(wkt, 4326)
FROM pg_temp.countries
ON CONFLICT (id) DO UPDATE SET
    iso_a2 = excluded.iso_a2,
    iso_a3 = excluded.iso_a3,
    name = excluded.name,
    formal_name = excluded.formal_name,
    continent = excluded.continent,
    subregion = excluded.subregion,
    population = excluded.population,
    gdp_musd = excluded.gdp_musd,
    income_group = excluded.income_group,
    geom = excluded.geom
WHERE kept.* IS DISTINCT FROM excluded.*;

ANALYZE sample.countries;
