-- Webhooks with a secret that was sealed by another key than $1, at most $2 of them, which nobody else changes meanwhile.
SELECT
    w.id,
    w.secret,
    w.secret_key_id,
    w.previous_secret,
    w.previous_secret_key_id
FROM gateway.webhooks AS w
WHERE w.secret_key_id <> $1
    OR w.previous_secret_key_id <> $1
ORDER BY w.id
LIMIT $2::bigint
FOR NO KEY UPDATE SKIP LOCKED
