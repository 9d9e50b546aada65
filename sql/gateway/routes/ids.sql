-- All routes there are.
SELECT coalesce(array_agg(t.id), '{}') AS ids
FROM gateway.routes AS t
