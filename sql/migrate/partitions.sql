-- Our tables with partitions by time: until when there are some, and whether there is one for now.
SELECT
    format('%I.%I', namespace.nspname, parent.relname) AS name,
    coalesce(bool_or(bounds.starts_at <= now() AND bounds.ends_at > now()), false) AS has_today,
    coalesce(extract(epoch FROM max(bounds.ends_at)), 0)::bigint AS ends_at
FROM pg_partitioned_table AS partitioned
JOIN pg_class AS parent ON parent.oid = partitioned.partrelid
JOIN pg_namespace AS namespace ON namespace.oid = parent.relnamespace
JOIN pg_attribute AS attribute ON attribute.attrelid = parent.oid AND attribute.attnum = partitioned.partattrs[0]
LEFT JOIN pg_inherits AS link ON link.inhparent = parent.oid
LEFT JOIN pg_class AS child ON child.oid = link.inhrelid
LEFT JOIN LATERAL (
    SELECT
        substring(pg_get_expr(child.relpartbound, child.oid) FROM 'FROM [(]''([^'']+)''[)]')::timestamptz AS starts_at,
        substring(pg_get_expr(child.relpartbound, child.oid) FROM 'TO [(]''([^'']+)''[)]')::timestamptz AS ends_at
) AS bounds ON true
WHERE partitioned.partstrat = 'r'
    AND attribute.atttypid = 'timestamptz'::regtype
    -- What somebody else has there is theirs to care for.
    AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'public', 'app')
GROUP BY namespace.nspname, parent.relname
ORDER BY name
