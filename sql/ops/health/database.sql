-- What the database says of itself.
SELECT
    current_setting('server_version') AS version,
    pg_database_size(current_database()) AS size_bytes,
    pg_postmaster_start_time() AS started_at,
    pg_is_in_recovery() AS is_replica,
    current_setting('max_connections')::integer AS connections_max,
    (SELECT count(*) FROM pg_stat_activity) AS connections,
    (
        SELECT coalesce(extract(epoch FROM max(now() - a.xact_start)), 0)::double precision
        FROM pg_stat_activity AS a
        WHERE a.datname = current_database()
    ) AS oldest_transaction_seconds,
    d.xact_commit AS commits,
    d.xact_rollback AS rollbacks,
    d.deadlocks,
    d.temp_bytes,
    CASE
        WHEN d.blks_hit + d.blks_read > 0 THEN round(d.blks_hit::numeric / (d.blks_hit + d.blks_read), 4)
    END AS cache_hit_ratio,
    (SELECT count(*) FROM public.schema_migrations) AS migrations_applied,
    (SELECT max(m.version) FROM public.schema_migrations AS m) AS migrations_version
FROM pg_stat_database AS d
WHERE d.datname = current_database()
