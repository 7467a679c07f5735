-- Columns that the registry of an older Flagstone may lack. What it lists was laid out by another one too: none of it fits
-- a layer any more, until it is built again.
ALTER TABLE flagstone.overview
    ADD COLUMN IF NOT EXISTS build text NOT NULL DEFAULT md5(random()::text || clock_timestamp()::text),
    ADD COLUMN IF NOT EXISTS complete boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS single_rows boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS started timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN IF NOT EXISTS refreshed timestamptz,
    ADD COLUMN IF NOT EXISTS document jsonb NOT NULL DEFAULT '{}';
ALTER TABLE flagstone.overview_band
    ADD COLUMN IF NOT EXISTS zoom int,
    ADD COLUMN IF NOT EXISTS small_pixels int,
    ADD COLUMN IF NOT EXISTS cell_pixels int,
    ADD COLUMN IF NOT EXISTS pixel float8,
    ADD COLUMN IF NOT EXISTS in_pieces boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS rows bigint NOT NULL DEFAULT 0;
UPDATE flagstone.overview SET definition = '', complete = false;
