-- A session goes on with a new token, with the hash $3, for the one with the hash $2. It does not last longer for that:
-- otherwise a stolen one could be kept alive for ever.
UPDATE identity.sessions AS s
SET
    token = $3,
    last_seen_at = now()
FROM ops.actor($1),
    identity.users AS u
WHERE s.token = $2
    AND s.revoked_at IS NULL
    AND s.expires_at > now()
    AND u.id = s.user_id
    AND u.status = 'ACTIVE'
RETURNING
    s.id,
    s.expires_at,
    s.user_id,
    u.email,
    u.name,
    u.role
