-- How many users there are, of which kinds, and how many of them come.
SELECT
    count(*) AS total,
    jsonb_build_object(
        'ACTIVE', count(*) FILTER (WHERE u.status = 'ACTIVE'),
        'INACTIVE', count(*) FILTER (WHERE u.status = 'INACTIVE'),
        'SUSPENDED', count(*) FILTER (WHERE u.status = 'SUSPENDED'),
        'PENDING_VERIFICATION', count(*) FILTER (WHERE u.status = 'PENDING_VERIFICATION')
    ) AS by_status,
    jsonb_build_object(
        'ADMIN', count(*) FILTER (WHERE u.role = 'ADMIN'),
        'USER', count(*) FILTER (WHERE u.role = 'USER'),
        'VIEWER', count(*) FILTER (WHERE u.role = 'VIEWER')
    ) AS by_role,
    count(*) FILTER (WHERE u.locked_until > now()) AS locked,
    count(*) FILTER (WHERE u.email_verified_at IS NULL) AS unverified,
    count(*) FILTER (WHERE u.created_at > now() - interval '7 days') AS created_in_7_days,
    count(*) FILTER (WHERE u.created_at > now() - interval '30 days') AS created_in_30_days,
    count(*) FILTER (WHERE u.last_login > now() - interval '24 hours') AS logged_in_in_24_hours,
    count(*) FILTER (WHERE u.last_login > now() - interval '30 days') AS logged_in_in_30_days,
    (
        SELECT count(*)
        FROM identity.sessions AS s
        WHERE s.revoked_at IS NULL
            AND s.expires_at > now()
    ) AS active_sessions,
    (
        SELECT count(*)
        FROM identity.api_keys AS k
        WHERE k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR k.expires_at > now())
    ) AS active_api_keys
FROM identity.users AS u
