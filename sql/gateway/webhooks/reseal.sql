-- The secret $2 of the webhook $1 is the same, sealed again as $3 by the key $4, unless it has become another than $5.
UPDATE gateway.webhooks AS w
SET secret = CASE $2::text WHEN 'secret' THEN $3 ELSE w.secret END,
    secret_key_id = CASE $2 WHEN 'secret' THEN $4 ELSE w.secret_key_id END,
    previous_secret = CASE $2 WHEN 'previous_secret' THEN $3 ELSE w.previous_secret END,
    previous_secret_key_id = CASE $2 WHEN 'previous_secret' THEN $4 ELSE w.previous_secret_key_id END
WHERE w.id = $1
    AND CASE $2 WHEN 'secret' THEN w.secret ELSE w.previous_secret END = $5
