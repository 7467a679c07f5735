-- A view: its column id is the table's key, so its features have ids like those of the table.
-- CREATE OR REPLACE would lock out its readers at every load, and IF NOT EXISTS is not for views.
DO $do$
BEGIN
    IF to_regclass('sample.liechtenstein_named_roads') IS NULL THEN
        CREATE VIEW sample.liechtenstein_named_roads AS
        SELECT id, name, kind, ref, geom
        FROM sample.liechtenstein_roads
        WHERE name IS NOT NULL;
    END IF;
END
$do$;

COMMENT ON VIEW sample.liechtenstein_named_roads IS $json${
    "description": "Roads of Liechtenstein that have a name.",
    "attribution": "<a href=\"https://www.openstreetmap.org/copyright\">© OpenStreetMap contributors</a>"
}$json$;
COMMENT ON COLUMN sample.liechtenstein_named_roads.kind IS 'Value of the tag highway';
