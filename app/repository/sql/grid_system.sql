-- The number by which the database knows a grid's reference system: EPSG's own, another authority's, or that of a row
-- with the same definition.
-- In psql: \set postgis public \set srid 3857 \set authority EPSG \set code 3857 \set definitions '{}'
SELECT srid
FROM :"postgis".spatial_ref_sys
WHERE srid = :'srid'::int
    OR upper(auth_name) = :'authority'::text AND auth_srid::text = :'code'::text
    OR btrim(srtext) = ANY (:'definitions'::text[])
ORDER BY srid <> :'srid'::int, srid
LIMIT 1
