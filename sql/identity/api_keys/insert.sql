-- A new API key, made by $1. The key_hash in $2 is written as PostgreSQL writes bytes: \x and then hexadecimal digits.
INSERT INTO identity.api_keys (
    user_id,
    name,
    prefix,
    key_hash,
    permissions,
    expires_at,
    metadata
)
SELECT
    new.user_id,
    new.name,
    new.prefix,
    new.key_hash,
    new.permissions,
    new.expires_at,
    new.metadata
FROM ops.actor($1),
    jsonb_populate_record(NULL::identity.api_keys, $2) AS new
RETURNING
    id,
    user_id,
    name,
    prefix,
    permissions,
    expires_at,
    revoked_at,
    replaced_by,
    last_used_at,
    metadata,
    version,
    created_at,
    updated_at
