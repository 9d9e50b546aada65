-- The user whose id or e-mail address $1 is.
SELECT
    u.id,
    u.email,
    u.role,
    u.status
FROM identity.users AS u
WHERE lower(u.email) = lower($1)
    OR u.id::text = lower($1)
