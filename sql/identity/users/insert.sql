-- A new user, made by $1. The password in $2 is its hash.
INSERT INTO identity.users (
    email,
    password_hash,
    name,
    phone_number,
    kind,
    role,
    grants,
    status,
    sso_provider,
    sso_subject,
    metadata
)
SELECT
    new.email,
    new.password_hash,
    new.name,
    new.phone_number,
    coalesce(new.kind, 'PERSON'),
    new.role,
    coalesce(new.grants, '{}'),
    new.status,
    new.sso_provider,
    new.sso_subject,
    new.metadata
FROM ops.actor($1),
    jsonb_populate_record(NULL::identity.users, $2) AS new
RETURNING
    id,
    email,
    name,
    phone_number,
    kind,
    role,
    grants,
    status,
    enabled,
    sso_provider,
    sso_subject,
    failed_logins,
    locked_until,
    last_login,
    password_changed_at,
    email_verified_at,
    metadata,
    version,
    created_at,
    updated_at
