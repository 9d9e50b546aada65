-- The user $2 gave the right password. No row if meanwhile, while it was checked, others have locked the account.
UPDATE identity.users AS u
SET
    failed_logins = 0,
    locked_until = NULL,
    last_login = now()
FROM ops.actor($1)
WHERE u.id = $2
    AND u.status = 'ACTIVE'
    AND (u.locked_until IS NULL OR u.locked_until <= now())
RETURNING
    u.id,
    u.email,
    u.name,
    u.role
