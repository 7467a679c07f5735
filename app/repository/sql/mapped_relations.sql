-- Of these relations those whose rows depend on who asks, because they are of a foreign server, or a part of them is, that
-- does not know all who may read them as the same user. A view reads as its owner.
-- In psql: \set relations '{16385,16390}'.
WITH RECURSIVE
part AS (
    SELECT relation AS whole, relation AS part FROM unnest(:'relations'::oid[]) AS relation
    UNION
    SELECT p.whole, i.inhrelid
    FROM part p
    JOIN pg_inherits i ON i.inhparent = p.part
),
server AS (
    SELECT DISTINCT p.whole, t.ftserver AS server
    FROM part p
    JOIN pg_foreign_table t ON t.ftrelid = p.part
)
SELECT DISTINCT s.whole
FROM server s
JOIN pg_class c ON c.oid = s.whole
JOIN pg_user_mappings one ON one.srvid = s.server AND one.umuser <> 0
WHERE EXISTS (SELECT FROM pg_user_mappings other WHERE other.srvid = s.server AND other.umid <> one.umid)
    OR EXISTS (
        SELECT
        FROM (
            SELECT x.grantee, x.privilege_type FROM aclexplode(c.relacl) AS x
            UNION ALL
            SELECT x.grantee, x.privilege_type
            FROM pg_attribute a, aclexplode(a.attacl) AS x
            WHERE a.attrelid = c.oid AND NOT a.attisdropped
        ) AS granted
        WHERE granted.privilege_type = 'SELECT' AND granted.grantee NOT IN (one.umuser, c.relowner)
    )
