-- The API key $1 has been used. Written once a minute at most: nobody needs to know better, and a busy key would
-- otherwise be one row that all requests wait for.
UPDATE identity.api_keys AS k
SET last_used_at = now()
WHERE k.id = $1
    AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute')
