-- The tables of a schema, without partitions: those are told with the table that they are of.
SELECT format('%s.%I', class.relnamespace::regnamespace, class.relname) AS name
FROM pg_class AS class
WHERE class.relnamespace = to_regnamespace($1)
    AND class.relkind IN ('r', 'p', 'f')
    AND NOT class.relispartition
