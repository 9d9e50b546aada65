-- Secret settings that were sealed by another key than $1, in rows from $2 on, at most $3 of them.
SELECT
    s.id,
    'value_sealed' AS place,
    s.key AS name,
    s.value_sealed AS text,
    s.value_key_id AS key_id
FROM ops.settings AS s
WHERE s.secret
    AND s.value_key_id <> $1
    AND s.id >= $2
ORDER BY s.id
LIMIT $3
FOR NO KEY UPDATE OF s
