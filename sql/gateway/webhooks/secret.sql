-- The sealed secret of the webhook $1, which nobody else changes meanwhile.
SELECT
    w.secret,
    w.secret_key_id
FROM gateway.webhooks AS w
WHERE w.id = $1
FOR NO KEY UPDATE
