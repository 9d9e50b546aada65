-- Scratch databases of migrate verify that a killed run has left: named `$1<when>_<chance>`, made more than $2 seconds ago,
-- without a session, and this role's to drop.
SELECT datname
FROM pg_catalog.pg_database AS scratch
WHERE starts_with(datname, $1)
    AND substr(datname, length($1) + 1) ~ '^[0-9]{1,12}_[0-9a-f]{16}$'
    AND split_part(substr(datname, length($1) + 1), '_', 1)::bigint < extract(epoch FROM now())::bigint - $2
    AND pg_catalog.pg_has_role(datdba, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS activity WHERE activity.datid = scratch.oid)
