-- Somebody brings a token of the session whose tokens begin with what has the hash $2, and it is not the last one: it has
-- been exchanged already, however long ago. There are two copies, so one is stolen; as nobody knows which, the session
-- ends.
UPDATE identity.sessions AS s
SET revoked_at = now()
FROM ops.actor($1)
WHERE s.family = $2
    AND s.revoked_at IS NULL
RETURNING
    s.id,
    s.user_id
