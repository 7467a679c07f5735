-- What is known of the overviews: one row for each layer and grid, and one for each of their tables.
-- Grants are given by the build: only logins that serve may know of it.
CREATE TABLE IF NOT EXISTS flagstone.overview (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation oid NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    geometry_column text NOT NULL,
    grid text NOT NULL,
    grid_key text NOT NULL,
    definition text NOT NULL,
    build text NOT NULL DEFAULT md5(random()::text || clock_timestamp()::text),
    complete boolean NOT NULL DEFAULT false,
    single_rows boolean NOT NULL,
    started timestamptz NOT NULL DEFAULT now(),
    refreshed timestamptz,
    document jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE IF NOT EXISTS flagstone.overview_band (
    overview int NOT NULL REFERENCES flagstone.overview ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('band', 'pieces', 'blocks')),
    zoom int,
    relation oid NOT NULL,
    table_name text NOT NULL,
    small_pixels int,
    cell_pixels int,
    pixel float8,
    in_pieces boolean NOT NULL DEFAULT false,
    rows bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (overview, table_name)
);
COMMENT ON TABLE flagstone.overview IS 'Flagstone: overviews of layers, made by `flask overviews build`.';
COMMENT ON TABLE flagstone.overview_band IS 'Flagstone: the tables of the overviews.';
