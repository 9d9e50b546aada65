-- All users, without their passwords.
SELECT
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
FROM identity.users AS u
