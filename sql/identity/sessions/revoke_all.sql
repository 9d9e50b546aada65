-- All sessions of the user $2 end, says $1.
UPDATE identity.sessions AS s
SET revoked_at = now()
FROM ops.actor($1)
WHERE s.user_id = $2
    AND s.revoked_at IS NULL
RETURNING s.id
