-- What the user $1 proves to be the user with.
SELECT u.password_hash
FROM identity.users AS u
WHERE u.id = $1
