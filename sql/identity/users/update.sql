-- Of a user, what $3 names is changed, by $1, if it still is at version $4. Not the password: see set_password.
UPDATE identity.users AS u
SET (
    email,
    name,
    phone_number,
    role,
    grants,
    status,
    metadata,
    email_verified_at
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    -- Not from the whole row: nobody but the server may read all of it.
    SELECT
        new.email,
        new.name,
        new.phone_number,
        new.role,
        new.grants,
        new.status,
        new.metadata,
        -- Nobody has read mail at a new address yet.
        CASE WHEN lower(new.email) = lower(u.email) THEN u.email_verified_at END
    FROM jsonb_populate_record(
        NULL::identity.users,
        jsonb_build_object(
            'email', u.email,
            'name', u.name,
            'phone_number', u.phone_number,
            'role', u.role,
            'grants', u.grants,
            'status', u.status,
            'metadata', u.metadata
        ) || $3
    ) AS new
)
FROM ops.actor($1)
WHERE u.id = ANY ($2)
    AND ($4::integer IS NULL OR u.version = $4)
RETURNING
    u.id,
    u.email,
    u.name,
    u.phone_number,
    u.kind,
    u.role,
    u.grants,
    u.status,
    u.enabled,
    u.sso_provider,
    u.sso_subject,
    u.failed_logins,
    u.locked_until,
    u.last_login,
    u.password_changed_at,
    u.email_verified_at,
    u.metadata,
    u.version,
    u.created_at,
    u.updated_at
