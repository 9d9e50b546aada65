-- The API key with the hash $1 and its user, if both are good.
SELECT
    k.id,
    k.user_id,
    k.permissions,
    k.expires_at,
    u.role,
    u.grants
FROM identity.api_keys AS k
JOIN identity.users AS u ON u.id = k.user_id
WHERE k.key_hash = $1
    AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now())
    AND u.status = 'ACTIVE'
