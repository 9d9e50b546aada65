-- The user $2 may try to log in again, says $1.
UPDATE identity.users AS u
SET
    failed_logins = 0,
    locked_until = NULL
FROM ops.actor($1)
WHERE u.id = $2
RETURNING u.id
