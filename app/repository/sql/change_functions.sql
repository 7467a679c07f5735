-- What the triggers call. Every function runs as the role that may write the log, with a search path of its own: who
-- writes a table needs no right on schema flagstone.
CREATE OR REPLACE FUNCTION flagstone.change_prune() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    latest xid8;
    -- Rows of transactions that somebody may still be waiting for stay: VACUUM would not give their room back either.
    oldest constant xid8 := pg_snapshot_xmin(pg_current_snapshot());
    next constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
    newest bigint;
    first record;
BEGIN
    -- Elsewhere to read the log could make the writer's own transaction fail.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RETURN;
    END IF;
    -- One prunes at a time; nobody waits for it.
    PERFORM FROM flagstone.change_horizon FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT id INTO newest FROM flagstone.change ORDER BY tx DESC LIMIT 1;
    SELECT made, id INTO first FROM flagstone.change ORDER BY tx LIMIT 1;
    -- Writers pay for this: while the first one is not old no other is looked at.
    IF first.made < clock_timestamp() - interval '1 hour' OR first.id < newest - 2000000 THEN
        WITH gone AS (
            DELETE FROM flagstone.change
            WHERE ctid = ANY (array(
                SELECT old.ctid
                FROM (SELECT ctid, made, id FROM flagstone.change WHERE tx < oldest ORDER BY tx LIMIT 5000) AS old
                WHERE old.made < clock_timestamp() - interval '1 hour' OR old.id < newest - 2000000
            ))
            RETURNING tx
        )
        SELECT tx INTO latest FROM gone ORDER BY tx DESC LIMIT 1;
    END IF;
    -- Numbers that no transaction has here yet came with a dump of another cluster.
    DELETE FROM flagstone.change
    WHERE tx > next AND tx <> pg_current_xact_id() AND made < clock_timestamp() - interval '1 hour';
    UPDATE flagstone.change_horizon SET tx = coalesce(latest, '0') WHERE tx < latest OR tx > next;
END
$$;
COMMENT ON FUNCTION flagstone.change_prune IS 'Flagstone: takes changes older than an hour out of the log.';
CREATE OR REPLACE FUNCTION flagstone.change_raster(boxes float8[]) RETURNS float8[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    -- Many boxes as at most 64: those of one CRS that begin in the same square of a raster of 8 by 8 become one. With more
    -- than these, of several CRSs: anywhere.
    WITH box AS (
        SELECT boxes[i][1] AS x1, boxes[i][2] AS y1, boxes[i][3] AS x2, boxes[i][4] AS y2, boxes[i][5] AS srid
        FROM generate_subscripts(boxes, 1) AS i
    ),
    whole AS (
        SELECT
            srid, min(x1) AS x1, min(y1) AS y1,
            nullif(max(x1) - min(x1), 0) / 8 AS width, nullif(max(y1) - min(y1), 0) / 8 AS height
        FROM box
        GROUP BY srid
    ),
    square AS (
        SELECT min(b.x1) AS x1, min(b.y1) AS y1, max(b.x2) AS x2, max(b.y2) AS y2, b.srid
        FROM box b
        JOIN whole w USING (srid)
        GROUP BY b.srid, least(7, floor((b.x1 - w.x1) / w.width)), least(7, floor((b.y1 - w.y1) / w.height))
    )
    SELECT CASE WHEN count(*) <= 256 THEN coalesce(array_agg(ARRAY[x1, y1, x2, y2, srid]), '{}') END FROM square
$$;
COMMENT ON FUNCTION flagstone.change_raster IS 'Flagstone: many boxes as a few.';
CREATE OR REPLACE FUNCTION flagstone.change_counted(relation oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- How many hundred changes this transaction wrote down of the table: a setting, which goes back with a savepoint as they do.
    -- With the transaction's number before it: what a session was left with, or set by itself, means nothing.
    counter constant text := 'flagstone.changes_' || relation;
    mine constant text := pg_current_xact_id()::text || ':';
    setting text := current_setting(counter, true);
    hundreds int := 1;
BEGIN
    IF starts_with(setting, mine) AND substr(setting, length(mine) + 1) ~ '^\d{1,2}$' THEN
        hundreds := substr(setting, length(mine) + 1)::int + 1;
    END IF;
    IF hundreds < 10 THEN
        PERFORM set_config(counter, mine || hundreds, true);
    ELSE
        -- From here on the whole transaction counts as a change of everything, and says nothing more.
        INSERT INTO flagstone.change (relation) VALUES (relation);
        PERFORM set_config(counter, mine || 'all', true);
    END IF;
    IF random() < 0.2 THEN
        PERFORM flagstone.change_prune();
    END IF;
END
$$;
COMMENT ON FUNCTION flagstone.change_counted IS 'Flagstone: called of one change in a hundred, so that a transaction of many is no long one in the log.';
CREATE OR REPLACE FUNCTION flagstone.change_told(relation oid, boxes float8[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- As the triggers do: they have these lines in them, for a call takes as long as to write the change down.
    IF current_setting('flagstone.changes_' || relation, true) IS DISTINCT FROM pg_current_xact_id()::text || ':all' THEN
        INSERT INTO flagstone.change (relation, boxes) VALUES (relation, boxes);
        IF random() < 0.01 THEN
            PERFORM flagstone.change_counted(relation);
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION flagstone.change_told IS 'Flagstone: writes a change into the log.';
CREATE OR REPLACE FUNCTION flagstone.change_value(value anyelement, kind anyelement) RETURNS anyelement
LANGUAGE sql IMMUTABLE AS $$
    -- A value of the second one's type, or an error before anything is done with it. No cast leads here.
    SELECT value
$$;
COMMENT ON FUNCTION flagstone.change_value IS 'Flagstone: a value whose type has to be that of another one.';
CREATE OR REPLACE FUNCTION flagstone.change_asked(relation regclass) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        WITH RECURSIVE above AS (
            SELECT relation::oid AS oid
            UNION
            SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid
        )
        SELECT FROM above a JOIN flagstone.change_followed f ON f.relation = a.oid
    ) THEN
        RAISE EXCEPTION '% is not followed', relation USING
            ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Of a view name the tables that it reads; of others, run: flask changes install.';
    END IF;
    RETURN relation;
END
$$;
COMMENT ON FUNCTION flagstone.change_asked IS 'Flagstone: refuses to tell of changes that nobody would hear of.';
-- For what no trigger sees: a foreign table, REFRESH MATERIALIZED VIEW CONCURRENTLY. Called by jobs.
CREATE OR REPLACE FUNCTION flagstone.changed(relation regclass, xmin float8, ymin float8, xmax float8, ymax float8, srid int DEFAULT 4326)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT flagstone.change_told(flagstone.change_asked(relation), ARRAY[[xmin, ymin, xmax, ymax, srid]])
$$;
COMMENT ON FUNCTION flagstone.changed(regclass, float8, float8, float8, float8, int) IS 'Flagstone: something changed within this box.';
CREATE OR REPLACE FUNCTION flagstone.changed(relation regclass) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT flagstone.change_told(flagstone.change_asked(relation), NULL)
$$;
COMMENT ON FUNCTION flagstone.changed(regclass) IS 'Flagstone: anything of this relation may have changed.';
CREATE OR REPLACE FUNCTION flagstone.change_refreshed() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM flagstone.change_told(f.relation, NULL)
    FROM pg_event_trigger_ddl_commands() c
    JOIN flagstone.change_followed f ON f.relation = c.objid;
END
$$;
COMMENT ON FUNCTION flagstone.change_refreshed IS 'Flagstone: a materialized view was refreshed.';
