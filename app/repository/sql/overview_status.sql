-- Every overview with its tables and their size on disk, for people.
SELECT
    o.id,
    o.relation,
    o.schema_name,
    o.table_name,
    o.geometry_column,
    o.grid,
    o.grid_key,
    o.complete,
    o.started,
    o.refreshed,
    (
        SELECT pg_total_relation_size(c.oid)
            + (SELECT coalesce(sum(pg_total_relation_size(i.inhrelid)), 0) FROM pg_inherits i WHERE i.inhparent = c.oid)
        FROM pg_class c
        WHERE c.oid = o.relation
    )::bigint AS table_bytes,
    o.document,
    (
        SELECT coalesce(
            json_agg(
                json_build_array(
                    b.kind, b.zoom, b.table_name, b.rows, b.cell_pixels,
                    (
                        SELECT pg_total_relation_size(c.oid)
                        FROM pg_class c
                        WHERE c.oid = b.relation AND c.relname = b.table_name AND c.relnamespace = 'flagstone'::regnamespace
                    )
                )
                ORDER BY b.kind, b.zoom
            ),
            '[]'
        )
        FROM flagstone.overview_band b
        WHERE b.overview = o.id
    ) AS bands
FROM flagstone.overview o
ORDER BY o.schema_name, o.table_name, o.geometry_column, o.grid, o.id
