-- The API key with the hash $1 and its user, and whether both are good.
SELECT
    k.id,
    k.user_id,
    k.permissions,
    k.expires_at,
    u.role,
    u.grants,
    k.revoked_at IS NULL
    AND coalesce(k.expires_at > now(), true)
    AND u.status = 'ACTIVE' AS is_good
FROM identity.api_keys AS k
JOIN identity.users AS u ON u.id = k.user_id
WHERE k.key_hash = $1
