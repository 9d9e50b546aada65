-- What there is to know of a server before anybody serves from it. Works on an empty database, too.
SELECT
    current_setting('server_version_num')::integer AS version,
    extract(epoch FROM clock_timestamp())::double precision AS clock,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS connections,
    (SELECT count(*) FROM pg_stat_activity AS a WHERE a.backend_type = 'client backend') AS connections_used,
    (
        SELECT r.rolsuper
        FROM pg_roles AS r
        WHERE r.rolname = current_user
    ) AS is_superuser,
    EXISTS (
        SELECT
        FROM pg_roles AS r
        WHERE r.rolname = 'authenticated_users'
            AND pg_has_role(current_user, r.oid, taken_on.word)
    ) AS has_users_role,
    EXISTS (
        SELECT
        FROM pg_roles AS r
        WHERE r.rolname = 'mainstay_readonly'
            AND pg_has_role(current_user, r.oid, taken_on.word)
    ) AS has_readers_role,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean AS is_durable,
    ARRAY(
        SELECT i.indexrelid::regclass::text
        FROM pg_index AS i
        WHERE NOT i.indisvalid
        ORDER BY 1
    ) AS invalid_indexes
-- From PostgreSQL 16 on, who is a member of a role may not always take it on.
FROM (SELECT CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END AS word) AS taken_on
