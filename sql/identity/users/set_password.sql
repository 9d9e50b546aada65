-- The user $2 gets a new password, with the hash $3, from $1. All sessions end but $4, if there is one, and so do other
-- ways to set a password that have been sent by mail. API keys end, too, if $5; else the user is told that there are some:
-- whoever had the old password may have made them.
WITH changed AS (
    UPDATE identity.users AS u
    SET
        password_hash = $3,
        password_changed_at = now(),
        failed_logins = 0,
        locked_until = NULL
    FROM ops.actor($1)
    WHERE u.id = $2
    RETURNING u.id
),
revoked AS (
    UPDATE identity.sessions AS s
    SET revoked_at = now()
    FROM changed
    WHERE s.user_id = changed.id
        AND s.revoked_at IS NULL
        AND s.id IS DISTINCT FROM $4
    RETURNING s.id
),
used AS (
    UPDATE identity.user_tokens AS t
    SET used_at = now()
    FROM changed
    WHERE t.user_id = changed.id
        AND t.kind = 'RESET_PASSWORD'
        AND t.used_at IS NULL
),
ended AS (
    UPDATE identity.api_keys AS k
    SET revoked_at = now()
    FROM changed
    WHERE $5
        AND k.user_id = changed.id
        AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now())
),
told AS (
    INSERT INTO telemetry.notifications (user_id, type, title, body, data)
    SELECT
        changed.id,
        'users.password_changed',
        'Your password was changed',
        format(
            'API keys go on working: %s. Revoke those that you did not make; whoever had the old password may have made some.',
            string_agg(format('%s (%s…)', left(k.name, 50), k.prefix), ', ' ORDER BY k.id)
        ),
        jsonb_build_object('api_keys', jsonb_agg(k.id ORDER BY k.id))
    FROM changed
    JOIN LATERAL (
        SELECT
            k.id,
            k.name,
            k.prefix
        FROM identity.api_keys AS k
        WHERE k.user_id = changed.id
            AND NOT $5
            AND k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR k.expires_at > now())
        ORDER BY k.id DESC
        LIMIT 100
    ) AS k ON true
    GROUP BY changed.id
)
SELECT
    changed.id,
    (SELECT count(*) FROM revoked) AS revoked_sessions
FROM changed
