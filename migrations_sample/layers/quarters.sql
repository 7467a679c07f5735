-- title: Squares of a tile
-- description: The tile divided into so many squares along each edge; a statement that makes the tile itself.
-- parameter: depth integer = 2 -- Squares along the edge
WITH edge AS (
    SELECT ST_XMin(:envelope) AS west, ST_YMin(:envelope) AS south, (ST_XMax(:envelope) - ST_XMin(:envelope)) / size AS span, size
    FROM (SELECT greatest(1, least(:depth, 64)) AS size) AS asked
), squares AS (
    SELECT
        a * size + b AS number,
        ST_AsMVTGeom(
            ST_MakeEnvelope(west + span * a, south + span * b, west + span * (a + 1), south + span * (b + 1), :srid),
            :envelope, :extent, :buffer
        ) AS geom
    FROM edge, generate_series(0, size - 1) AS a, generate_series(0, size - 1) AS b
)
SELECT ST_AsMVT(squares.*, :layer, :extent) FROM squares
