-- Entities that are not among $1 any more, and whose tables are gone.
DELETE FROM entities.definitions AS t
WHERE t.name <> ALL ($1)
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = 'app'
            AND class.relname = t.name
    )
