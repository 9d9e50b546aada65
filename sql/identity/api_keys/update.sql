-- Of an API key, what $3 names is changed, by $1, if it still is at version $4.
UPDATE identity.api_keys AS k
SET (
    name,
    permissions,
    expires_at,
    metadata
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    -- Not from the whole row: nobody but the server may read all of it.
    SELECT
        new.name,
        new.permissions,
        new.expires_at,
        new.metadata
    FROM jsonb_populate_record(
        NULL::identity.api_keys,
        jsonb_build_object(
            'name', k.name,
            'permissions', k.permissions,
            'expires_at', k.expires_at,
            'metadata', k.metadata
        ) || $3
    ) AS new
)
FROM ops.actor($1)
WHERE k.id = ANY ($2)
    AND ($4::integer IS NULL OR k.version = $4)
RETURNING
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
