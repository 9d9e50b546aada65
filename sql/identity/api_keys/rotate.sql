-- A new API key, with the prefix $3 and the hash $4, that works until $6, takes the place of $2; that one goes on for
-- $5 seconds. No row if it has been revoked, has expired, or has been replaced: of two rotations at once, one counts.
WITH replacement AS MATERIALIZED (
    SELECT ops.uuid_v7() AS id
    FROM ops.actor($1)
),
old AS (
    UPDATE identity.api_keys AS k
    SET
        replaced_by = replacement.id,
        expires_at = least(k.expires_at, now() + $5::bigint * interval '1 second')
    FROM replacement
    WHERE k.id = $2
        AND k.revoked_at IS NULL
        AND k.replaced_by IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now())
    RETURNING
        k.replaced_by,
        k.user_id,
        k.name,
        k.permissions,
        k.metadata
),
new AS (
    INSERT INTO identity.api_keys (
        id,
        user_id,
        name,
        prefix,
        key_hash,
        permissions,
        expires_at,
        metadata
    )
    SELECT
        old.replaced_by,
        old.user_id,
        old.name,
        $3,
        $4,
        old.permissions,
        $6::text::timestamptz,
        old.metadata
    FROM old
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
)
-- As JSON here: a statement that begins like this cannot be put into another.
SELECT
    to_json(new)::text AS object,
    new.version,
    new.id
FROM new
