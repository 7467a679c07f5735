-- What defines the SRIDs asked for.
-- In psql: \set postgis public \set srids '{4326,2056}'
SELECT srid, auth_name, auth_srid, srtext, proj4text
FROM :"postgis".spatial_ref_sys
WHERE srid = ANY (:'srids'::int[])
