-- A user is removed, by $1, if it still is at version $3.
DELETE FROM identity.users AS u
USING ops.actor($1)
WHERE u.id = ANY ($2)
    AND ($3::integer IS NULL OR u.version = $3)
RETURNING u.id
