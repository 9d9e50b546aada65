-- What a login with the address $1 is checked against. Read before the password is, by a session that is given back first.
SELECT
    u.id,
    u.password_hash,
    u.role,
    u.status,
    u.failed_logins,
    u.locked_until
FROM identity.users AS u
WHERE lower(u.email) = lower($1)
