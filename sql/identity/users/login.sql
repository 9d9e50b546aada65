-- What a login of a person with the address $1 is checked against. The connection is given back before the password is looked at:
-- that takes long.
SELECT
    u.id,
    u.password_hash,
    u.role,
    u.status,
    u.failed_logins,
    u.locked_until
FROM identity.users AS u
WHERE lower(u.email) = lower($1)
    AND u.kind = 'PERSON'
