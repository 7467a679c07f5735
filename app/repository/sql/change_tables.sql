-- The log of changes and what belongs to it. Writers of followed tables reach it through their triggers alone.
-- `boxes` are of the geometries before and after, each in the CRS that its fifth number names: {{xmin,ymin,xmax,ymax,srid},…};
-- null stands for anywhere. A transaction that is under way shows up late, so that who reads knows rows by `tx`, never by a
-- highest id.
CREATE TABLE IF NOT EXISTS flagstone.change (
    id bigint GENERATED ALWAYS AS IDENTITY,
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    relation oid NOT NULL,
    boxes float8[]
)
-- Rows come and go: what is gone makes room before it is a fifth of the table.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
CREATE INDEX IF NOT EXISTS change_tx ON flagstone.change (tx);
-- One row: changes up to this transaction may be missing from the log.
CREATE TABLE IF NOT EXISTS flagstone.change_horizon (tx xid8 NOT NULL);
INSERT INTO flagstone.change_horizon SELECT '0' WHERE NOT EXISTS (SELECT FROM flagstone.change_horizon);
-- What is followed: the tables that somebody named, each for itself and all below it, with the geometry columns whose boxes
-- the triggers write down.
CREATE TABLE IF NOT EXISTS flagstone.change_followed (
    relation oid PRIMARY KEY,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    geometry_columns text[] NOT NULL,
    installed timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE flagstone.change IS 'Flagstone: which regions of which tables changed, for an hour. Written by triggers.';
COMMENT ON TABLE flagstone.change_horizon IS 'Flagstone: changes up to this transaction may be missing from the log.';
COMMENT ON TABLE flagstone.change_followed IS 'Flagstone: what `flask changes install` follows.';
