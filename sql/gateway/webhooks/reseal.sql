-- The secrets of the webhook $1 are the same, sealed again as $2 and $3 by the key $4.
UPDATE gateway.webhooks AS w
SET secret = $2,
    secret_key_id = $4,
    previous_secret = $3::text,
    previous_secret_key_id = CASE WHEN $3 IS NOT NULL THEN $4 END
WHERE w.id = $1
