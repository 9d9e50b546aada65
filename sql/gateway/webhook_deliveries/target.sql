-- The webhook $1, with all that an attempt needs.
SELECT
    w.id AS webhook_id,
    w.url,
    w.secret,
    w.secret_key_id,
    CASE WHEN w.previous_secret_until > now() THEN w.previous_secret END AS previous_secret,
    w.previous_secret_key_id,
    w.headers,
    w.retry_config
FROM gateway.webhooks AS w
WHERE w.id = $1
