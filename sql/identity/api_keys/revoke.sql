-- The API key $2 works no more, says $1. To revoke it twice is no mistake.
UPDATE identity.api_keys AS k
SET revoked_at = coalesce(k.revoked_at, now())
FROM ops.actor($1)
WHERE k.id = $2
RETURNING
    k.id,
    k.revoked_at
