-- Secrets of services that were sealed by another key than $1, in rows from $2 on, at most $3 of them.
SELECT
    s.id,
    'environment_secrets' AS place,
    e.key AS name,
    e.value ->> 'text' AS text,
    e.value ->> 'key_id' AS key_id
FROM devx.services AS s
CROSS JOIN LATERAL jsonb_each(s.environment_secrets) AS e
WHERE e.value ->> 'key_id' <> $1
    AND s.id >= $2
ORDER BY s.id
LIMIT $3
FOR NO KEY UPDATE OF s
