-- The partitions of the table $1 in which everything is older than $2 days; those that are no partition any more, as somebody
-- was interrupted who dropped them, are among them. How each is to be taken out is in state.
WITH parent AS (
    SELECT
        class.oid,
        namespace.nspname AS schema,
        class.relname AS name
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid = to_regclass($1)
),
child AS (
    SELECT
        class.oid,
        class.relname AS name,
        class.relispartition AS is_partition,
        -- PostgreSQL 13 does not have the column.
        coalesce((to_jsonb(link) ->> 'inhdetachpending')::boolean, false) AS is_pending,
        substring(pg_get_expr(class.relpartbound, class.oid) FROM 'TO [(]''([^'']+)''[)]')::timestamptz AS ends_at
    FROM parent
    JOIN pg_class AS class ON class.relnamespace = to_regnamespace(quote_ident(parent.schema))
    LEFT JOIN pg_inherits AS link ON link.inhrelid = class.oid AND link.inhparent = parent.oid
    WHERE class.relkind = 'r'
        AND (link.inhparent IS NOT NULL OR NOT class.relispartition)
        AND starts_with(class.relname, parent.name || '_')
        AND substr(class.relname, length(parent.name) + 1) ~ '^(_[0-9]{4}_[0-9]{2}(_[0-9]{2})?)$'
)
SELECT
    format('%I.%I', parent.schema, child.name) AS name,
    CASE
        WHEN NOT child.is_partition THEN 'detached'
        WHEN child.is_pending THEN 'pending'
        ELSE 'attached'
    END AS state,
    current_setting('server_version_num')::integer >= 140000 AS detaches_concurrently
FROM child,
    parent
WHERE NOT child.is_partition
    -- All of it is old, not only its beginning.
    OR child.ends_at <= now() - make_interval(days => $2)
ORDER BY child.name
