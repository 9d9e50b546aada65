-- All API keys, without their hashes.
SELECT
    k.id,
    k.user_id,
    k.name,
    k.prefix,
    k.permissions,
    k.expires_at,
    k.revoked_at,
    k.replaced_by,
    k.last_used_at,
    k.metadata,
    k.version,
    k.created_at,
    k.updated_at
FROM identity.api_keys AS k
