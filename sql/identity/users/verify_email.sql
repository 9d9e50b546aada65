-- The user $2 has shown to read mail at their address. Whoever waited for that may come in.
UPDATE identity.users AS u
SET
    email_verified_at = now(),
    status = CASE u.status WHEN 'PENDING_VERIFICATION' THEN 'ACTIVE' ELSE u.status END
FROM ops.actor($1)
WHERE u.id = $2
RETURNING
    u.id,
    u.status
