-- The session $1 and its user, and whether both are good.
SELECT
    s.id,
    s.user_id,
    u.role,
    u.grants,
    u.status,
    s.expires_at,
    s.revoked_at IS NULL
    AND s.expires_at > now()
    AND u.status = 'ACTIVE' AS is_good
FROM identity.sessions AS s
JOIN identity.users AS u ON u.id = s.user_id
WHERE s.id = $1
