-- The same password of the user $1 with another hash, $2: the number of rounds has changed.
UPDATE identity.users AS u
SET password_hash = $2
WHERE u.id = $1
