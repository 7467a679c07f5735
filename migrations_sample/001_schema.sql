-- The schema of the sample. Its comment is the mark by which the loader knows that the schema is its own:
-- where another `sample` exists, nothing is loaded.
CREATE SCHEMA IF NOT EXISTS sample;

COMMENT ON SCHEMA sample IS 'Flagstone sample data: countries and cities of the world, and Liechtenstein in detail.';
