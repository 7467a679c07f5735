-- title: Large cities
-- description: Cities above a number of people, the capital of each country always.
-- attribution: GeoNames (CC BY 4.0)
-- id_column: id
-- parameter: min_population integer = 1000000 -- People, at least
-- parameter: country text = null -- Two letters (ISO 3166); none for all countries
SELECT id, name, country, population, geom
FROM sample.cities
WHERE geom && :bounds
    AND (population >= :min_population OR feature_code = 'PPLC')
    AND (:country IS NULL OR country = :country)
