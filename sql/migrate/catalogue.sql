-- Every object outside of PostgreSQL's own schemas and of extensions, with its definition: what migrate verify compares.
-- Owners, oids, statistics and the order of columns are left out: they may differ between databases that are the same.
-- So are partitions by day and by month, which come and go with time, and are called after theirs: logs_2026_01.
-- And so is what is in the schema app of a database that keeps declarations: they say what is there, and no migration does.
WITH schema AS (
    SELECT
        oid,
        nspname AS name
    FROM pg_namespace
    WHERE nspname <> 'information_schema'
        AND nspname !~ '^pg_'
),
namespace AS (
    SELECT
        oid,
        name
    FROM schema
    WHERE name <> 'app'
        OR to_regclass('entities.definitions') IS NULL
),
extension_member AS (
    SELECT
        classid,
        objid
    FROM pg_depend
    WHERE deptype = 'e'
),
relation AS (
    SELECT
        class.relkind AS kind,
        format('%I.%I', namespace.name, class.relname) AS name,
        class.*
    FROM pg_class AS class
    JOIN namespace ON namespace.oid = class.relnamespace
    WHERE NOT EXISTS (SELECT FROM extension_member AS m WHERE m.classid = 'pg_class'::regclass AND m.objid = class.oid)
        AND NOT (
            namespace.name = 'public'
            AND class.relname ~ '^schema_migration(s|_repairs)(_pkey|_id_seq)?$'
        )
        AND NOT EXISTS (
            SELECT
            FROM pg_class AS part
            WHERE part.oid = coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = class.oid), class.oid)
                AND part.relispartition
                AND part.relname ~ '_[0-9]{4}_[0-9]{2}(_[0-9]{2})?$'
        )
),
routine AS (
    SELECT
        routine.oid,
        routine.prokind AS kind,
        routine.proacl AS acl,
        routine.proowner AS owner,
        format('%I.%I(%s)', namespace.name, routine.proname, pg_get_function_identity_arguments(routine.oid)) AS name,
        routine.prorettype
    FROM pg_proc AS routine
    JOIN namespace ON namespace.oid = routine.pronamespace
    WHERE NOT EXISTS (SELECT FROM extension_member AS m WHERE m.classid = 'pg_proc'::regclass AND m.objid = routine.oid)
),
type AS (
    SELECT
        type.*,
        format('%I.%I', namespace.name, type.typname) AS name
    FROM pg_type AS type
    JOIN namespace ON namespace.oid = type.typnamespace
    WHERE NOT EXISTS (SELECT FROM extension_member AS m WHERE m.classid = 'pg_type'::regclass AND m.objid = type.oid)
),
granted AS (
    SELECT 'schema' AS kind, quote_ident(nspname) AS name, nspacl AS acl, nspowner AS owner
    FROM pg_namespace
    JOIN schema USING (oid)
    UNION ALL
    SELECT 'relation', name, relacl, relowner FROM relation
    UNION ALL
    SELECT 'function', name, acl, owner FROM routine
)
SELECT
    'schema' AS kind,
    quote_ident(name) AS name,
    '' AS definition
FROM schema
UNION ALL
SELECT
    'extension',
    quote_ident(extname),
    ''
FROM pg_extension
UNION ALL
SELECT
    CASE kind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
    name,
    concat_ws(
        ', ',
        CASE relpersistence WHEN 'u' THEN 'unlogged' ELSE 'table' END,
        'partition by ' || pg_get_partkeydef(oid),
        'partition ' || pg_get_expr(relpartbound, oid),
        (
            SELECT 'inherits ' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
            FROM pg_inherits
            WHERE inhrelid = relation.oid
        ),
        CASE WHEN relrowsecurity THEN 'row security' END,
        CASE WHEN relforcerowsecurity THEN 'forced' END,
        array_to_string(reloptions, ', ')
    )
FROM relation
WHERE kind IN ('r', 'p', 'f')
UNION ALL
SELECT
    'column',
    format('%s.%I', relation.name, attribute.attname),
    concat_ws(
        ' ',
        format_type(attribute.atttypid, attribute.atttypmod),
        CASE WHEN attribute.attcollation <> type.typcollation THEN 'collate ' || attribute.attcollation::regcollation END,
        CASE WHEN attribute.attnotnull THEN 'not null' END,
        CASE attribute.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
        CASE WHEN attribute.attgenerated = '' THEN 'default ' ELSE 'generated ' END
        || pg_get_expr(initial.adbin, initial.adrelid)
    )
FROM relation
JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
JOIN pg_type AS type ON type.oid = attribute.atttypid
LEFT JOIN pg_attrdef AS initial ON initial.adrelid = relation.oid AND initial.adnum = attribute.attnum
WHERE kind IN ('r', 'p', 'f', 'c')
UNION ALL
SELECT
    'index',
    relation.name,
    pg_get_indexdef(index.indexrelid) || CASE WHEN index.indisvalid THEN '' ELSE ' (INVALID)' END
FROM pg_index AS index
JOIN relation ON relation.oid = index.indexrelid
-- A constraint speaks for its index, unless that is broken.
WHERE NOT index.indisvalid
    OR NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = index.indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT
    'constraint',
    format('%I on %s', rule.conname, coalesce(relation.name, type.name)),
    pg_get_constraintdef(rule.oid)
FROM pg_constraint AS rule
LEFT JOIN relation ON relation.oid = rule.conrelid
LEFT JOIN type ON type.oid = rule.contypid
-- Constraint triggers are triggers, and NOT NULL belongs to its column.
WHERE rule.contype NOT IN ('t', 'n')
    AND coalesce(relation.name, type.name) IS NOT NULL
UNION ALL
SELECT
    CASE kind WHEN 'p' THEN 'procedure' ELSE 'function' END,
    name,
    pg_get_functiondef(oid)
FROM routine
WHERE kind <> 'a'
UNION ALL
SELECT
    'aggregate',
    routine.name,
    concat_ws(', ', 'returns ' || routine.prorettype::regtype, aggtransfn, aggfinalfn, aggtranstype::regtype, agginitval)
FROM routine
JOIN pg_aggregate ON aggfnoid = routine.oid
UNION ALL
SELECT
    'trigger',
    format('%I on %s', trigger.tgname, relation.name),
    pg_get_triggerdef(trigger.oid) || CASE trigger.tgenabled WHEN 'O' THEN '' ELSE format(' (%s)', trigger.tgenabled) END
FROM pg_trigger AS trigger
JOIN relation ON relation.oid = trigger.tgrelid
WHERE NOT trigger.tgisinternal
UNION ALL
SELECT
    'event trigger',
    quote_ident(evtname),
    concat_ws(' ', evtevent, evtfoid::regproc, evtenabled, evttags::text)
FROM pg_event_trigger
UNION ALL
SELECT
    CASE kind WHEN 'm' THEN 'materialized view' ELSE 'view' END,
    name,
    concat_ws(' ', pg_get_viewdef(oid), array_to_string(reloptions, ', '))
FROM relation
WHERE kind IN ('v', 'm')
UNION ALL
SELECT
    'rule',
    format('%I on %s', rule.rulename, relation.name),
    pg_get_ruledef(rule.oid)
FROM pg_rewrite AS rule
JOIN relation ON relation.oid = rule.ev_class
WHERE rule.rulename <> '_RETURN'
UNION ALL
SELECT
    CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END,
    name,
    CASE typtype
        WHEN 'e' THEN (
            SELECT 'enum ' || string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
            FROM pg_enum
            WHERE enumtypid = type.oid
        )
        WHEN 'd' THEN concat_ws(
            ' ',
            format_type(typbasetype, typtypmod),
            CASE WHEN typnotnull THEN 'not null' END,
            'default ' || typdefault
        )
        WHEN 'r' THEN (SELECT 'range of ' || rngsubtype::regtype FROM pg_range WHERE rngtypid = type.oid)
        ELSE 'composite'
    END
FROM type
WHERE typtype IN ('e', 'd', 'r')
    OR typtype = 'c' AND EXISTS (SELECT FROM pg_class WHERE oid = typrelid AND relkind = 'c')
UNION ALL
SELECT
    'sequence',
    relation.name,
    format(
        '%s start %s increment %s from %s to %s%s',
        seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, CASE WHEN seqcycle THEN ' cycle' END
    )
FROM pg_sequence
JOIN relation ON relation.oid = seqrelid
UNION ALL
SELECT
    'policy',
    format('%I on %s', policy.polname, relation.name),
    concat_ws(
        ' ',
        CASE WHEN policy.polpermissive THEN 'permissive' ELSE 'restrictive' END,
        'for',
        policy.polcmd,
        'to',
        (
            SELECT string_agg(CASE id WHEN 0 THEN 'public' ELSE pg_get_userbyid(id) END, ', ' ORDER BY 1)
            FROM unnest(policy.polroles) AS id
        ),
        'using ' || pg_get_expr(policy.polqual, policy.polrelid),
        'with check ' || pg_get_expr(policy.polwithcheck, policy.polrelid)
    )
FROM pg_policy AS policy
JOIN relation ON relation.oid = policy.polrelid
UNION ALL
-- What the owner may do is left out: the owner differs where another role has migrated.
SELECT
    'grant',
    format(
        '%s on %s %s to %s',
        lower(item.privilege_type),
        granted.kind,
        granted.name,
        CASE item.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(item.grantee) END
    ),
    max(CASE WHEN item.is_grantable THEN 'with grant option' ELSE '' END)
FROM granted
CROSS JOIN LATERAL aclexplode(granted.acl) AS item
WHERE item.grantee <> granted.owner
-- An owned function that was touched lists what everybody may do anyway.
    AND NOT (granted.kind = 'function' AND item.grantee = 0)
GROUP BY 2
