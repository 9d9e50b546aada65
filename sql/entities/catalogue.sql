-- The tables of schema $1, piece by piece, as PostgreSQL itself writes them: what declarations are compared with.
WITH tables AS (
    SELECT
        class.oid,
        class.relname,
        class.relrowsecurity AND class.relforcerowsecurity AS is_guarded,
        pg_catalog.has_table_privilege('authenticated_users', class.oid, 'INSERT') AS is_granted,
        pg_catalog.pg_table_size(class.oid) AS size
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = $1
        AND class.relkind IN ('r', 'p')
)
SELECT
    'table' AS kind,
    relname::text AS "table",
    '' AS name,
    pg_catalog.jsonb_build_object(
        'comment', pg_catalog.obj_description(oid, 'pg_class'),
        'is_guarded', is_guarded AND is_granted,
        'size', size
    ) AS definition
FROM tables
UNION ALL
SELECT
    'column',
    tables.relname::text,
    attribute.attname::text,
    pg_catalog.jsonb_build_object(
        'type', pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
        'is_never_null', attribute.attnotnull,
        'default', pg_catalog.pg_get_expr(standard.adbin, standard.adrelid),
        'comment', pg_catalog.col_description(tables.oid, attribute.attnum),
        'is_readable', pg_catalog.has_column_privilege('mainstay_readonly', tables.oid, attribute.attnum, 'SELECT')
    )
FROM tables
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = tables.oid AND attribute.attnum > 0
LEFT JOIN pg_catalog.pg_attrdef AS standard ON standard.adrelid = tables.oid AND standard.adnum = attribute.attnum
WHERE NOT attribute.attisdropped
UNION ALL
SELECT
    CASE WHEN rule.contype = 'f' THEN 'reference' ELSE 'constraint' END,
    tables.relname::text,
    rule.conname::text,
    pg_catalog.jsonb_build_object(
        'text', pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(rule.oid), ' NOT VALID$', ''),
        'is_valid', rule.convalidated
    )
FROM tables
JOIN pg_catalog.pg_constraint AS rule ON rule.conrelid = tables.oid
WHERE rule.contype IN ('p', 'u', 'c', 'f', 'x')
UNION ALL
SELECT
    'index',
    tables.relname::text,
    index_class.relname::text,
    pg_catalog.jsonb_build_object(
        'text', pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(index.indexrelid), '^CREATE (UNIQUE )?INDEX [^ ]+ ', '\1'),
        'is_valid', index.indisvalid
    )
FROM tables
JOIN pg_catalog.pg_index AS index ON index.indrelid = tables.oid
JOIN pg_catalog.pg_class AS index_class ON index_class.oid = index.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conindid = index.indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT
    'trigger',
    tables.relname::text,
    trigger.tgname::text,
    pg_catalog.jsonb_build_object('text', pg_catalog.pg_get_triggerdef(trigger.oid), 'is_valid', trigger.tgenabled = 'O')
FROM tables
JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = tables.oid
WHERE NOT trigger.tgisinternal
UNION ALL
SELECT
    'policy',
    tables.relname::text,
    policy.policyname::text,
    pg_catalog.jsonb_build_object(
        'text', pg_catalog.concat_ws(
            ' ',
            pg_catalog.format('CREATE POLICY %I ON %I.%I FOR %s', policyname, schemaname, tablename, cmd),
            'TO ' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(role), ', ') FROM pg_catalog.unnest(roles) AS role),
            'USING (' || qual || ')',
            'WITH CHECK (' || with_check || ')'
        ),
        'is_valid', true
    )
FROM tables
JOIN pg_catalog.pg_policies AS policy ON policy.schemaname = $1 AND policy.tablename = tables.relname
ORDER BY 1, 2, 3
