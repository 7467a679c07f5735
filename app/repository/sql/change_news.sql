-- The changes that a position has not seen, and where the log stands now. One statement, so one snapshot.
-- Runs in a connection of any search path. In psql: \set position '745:745:' \set applied '{}' \set most 1000
SELECT
    pg_catalog.pg_current_snapshot()::text AS position,
    pg_catalog.pg_is_in_recovery() AS is_replica,
    -- Where another server took over, it may have lost transactions of the one before, and have given their numbers again.
    pg_catalog.concat_ws(
        '.',
        (SELECT system_identifier FROM pg_catalog.pg_control_system()),
        -- A copy of a database within a server, made to take its place, has its files' numbers and its log.
        (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN (SELECT pg_catalog.to_hex(timeline_id) FROM pg_catalog.pg_control_checkpoint())
        ELSE pg_catalog.ltrim(pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8), '0') END
    ) AS server,
    h.tx::text::bigint AS horizon,
    c.tx::text::bigint AS tx,
    c.relation,
    c.boxes
FROM (SELECT tx FROM flagstone.change_horizon LIMIT 1) AS h
LEFT JOIN (
    -- What the position did not see, by the index: what is from its end on, and what was under way then.
    SELECT n.id, n.tx, n.relation, n.boxes
    FROM (
        (
            SELECT id, tx, relation, boxes
            FROM flagstone.change
            WHERE tx >= pg_catalog.pg_snapshot_xmax(:'position'::pg_snapshot)
                -- Rows that came with a dump of another cluster bear numbers that no transaction has here yet.
                AND tx < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
                -- A transaction is seen whole or not at all.
                AND tx <> ALL (:'applied'::xid8[])
            ORDER BY tx
            LIMIT :'most'::bigint
        )
        UNION ALL
        (
            SELECT id, tx, relation, boxes
            FROM flagstone.change
            WHERE tx = ANY (array(SELECT pg_catalog.pg_snapshot_xip(:'position'::pg_snapshot)))
            LIMIT :'most'::bigint
        )
    ) AS n
) AS c ON true
ORDER BY c.id
