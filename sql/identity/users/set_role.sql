-- The user $2 gets the role $3 from $1.
UPDATE identity.users AS u
SET role = $3
FROM ops.actor($1)
WHERE u.id = $2
RETURNING
    u.id,
    u.role
