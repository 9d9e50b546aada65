-- The administrator who has been there longest.
SELECT u.id
FROM identity.users AS u
WHERE u.role = 'ADMIN'
    AND u.status = 'ACTIVE'
ORDER BY u.created_at, u.id
LIMIT 1
