-- The table of a name, written as SQL writes it.
SELECT format('%s.%I', class.relnamespace::regnamespace, class.relname) AS name
FROM pg_class AS class
WHERE class.oid = to_regclass($1)
    AND class.relkind IN ('r', 'p', 'f')
