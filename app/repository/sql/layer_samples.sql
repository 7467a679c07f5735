-- Samples of layers, kept by builds so that the next plan need not read the table again. Nothing is granted on it: a sample
-- tells where rows lie that row security hides from others.
CREATE TABLE IF NOT EXISTS flagstone.layer_sample (
    definition text PRIMARY KEY,
    relation oid NOT NULL,
    taken timestamptz NOT NULL DEFAULT now(),
    table_bytes bigint NOT NULL,
    facts jsonb NOT NULL,
    rows bytea NOT NULL
);
REVOKE ALL ON flagstone.layer_sample FROM PUBLIC;
COMMENT ON TABLE flagstone.layer_sample IS 'Flagstone: samples of layers, for `flask overviews plan`.';
