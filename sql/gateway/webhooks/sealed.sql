-- A secret of each key that sealed any: whoever opens these opens all of them.
SELECT DISTINCT ON (w.secret_key_id)
    w.id,
    w.secret,
    w.secret_key_id
FROM gateway.webhooks AS w
ORDER BY w.secret_key_id, w.id
