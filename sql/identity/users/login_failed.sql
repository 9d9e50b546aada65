-- The user $2 gave a wrong password. The fifth in a row locks the account for 15 minutes.
UPDATE identity.users AS u
SET
    -- A lock that is over is forgotten with the failures that brought it; otherwise each later one would lock again.
    failed_logins = CASE WHEN u.locked_until <= now() THEN 1 ELSE u.failed_logins + 1 END,
    locked_until = CASE
        -- Who keeps trying does not keep the user out for longer.
        WHEN u.locked_until > now() THEN u.locked_until
        WHEN u.locked_until IS NULL AND u.failed_logins >= 4 THEN now() + interval '15 minutes'
    END
FROM ops.actor($1)
WHERE u.id = $2
RETURNING
    u.failed_logins,
    u.locked_until
