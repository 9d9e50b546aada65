-- Whether there is an administrator, and whether one has a key with all permissions.
SELECT
    EXISTS (
        SELECT
        FROM identity.users AS u
        WHERE u.role = 'ADMIN'
    ) AS has_admin,
    EXISTS (
        SELECT
        FROM identity.api_keys AS k
        JOIN identity.users AS u ON u.id = k.user_id
        WHERE u.role = 'ADMIN'
            AND 'admin' = ANY (k.permissions)
    ) AS has_key
