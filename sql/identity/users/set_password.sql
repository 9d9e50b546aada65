-- The user $2 gets a new password, with the hash $3, from $1. All sessions end but $4, if there is one, and so do other
-- ways to set a password that have been sent by mail.
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
)
SELECT
    changed.id,
    (SELECT count(*) FROM revoked) AS revoked_sessions
FROM changed
