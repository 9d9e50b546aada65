-- Somebody brings a token, with the hash $2, that has been exchanged already. There are two copies, so one is stolen;
-- as nobody knows which, the session ends.
UPDATE identity.sessions AS s
SET revoked_at = now()
FROM ops.actor($1)
WHERE s.previous_token = $2
    AND s.revoked_at IS NULL
RETURNING
    s.id,
    s.user_id
