-- The session $2 ends, says $1. To end it twice is no mistake.
UPDATE identity.sessions AS s
SET revoked_at = coalesce(s.revoked_at, now())
FROM ops.actor($1)
WHERE s.id = $2
RETURNING s.id
