-- Tokens from mails that have expired are removed, $1 at most at once, so that no statement takes long.
DELETE FROM identity.user_tokens AS t
WHERE t.id = ANY (ARRAY(
    SELECT old.id
    FROM identity.user_tokens AS old
    WHERE old.expires_at <= now()
    ORDER BY old.expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
))
