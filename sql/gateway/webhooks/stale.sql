-- Secrets of webhooks that were sealed by another key than $1, in rows from $2 on, at most $3 of them. One that is used no
-- more is let be.
SELECT
    w.id,
    s.place,
    s.place AS name,
    s.text,
    s.key_id
FROM gateway.webhooks AS w
CROSS JOIN LATERAL (
    VALUES
        ('secret', w.secret, w.secret_key_id, true),
        ('previous_secret', w.previous_secret, w.previous_secret_key_id, w.previous_secret_until > now())
) AS s (place, text, key_id, is_used)
WHERE s.key_id <> $1
    AND s.is_used
    AND w.id >= $2
ORDER BY w.id
LIMIT $3
FOR NO KEY UPDATE OF w
