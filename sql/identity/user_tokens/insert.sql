-- The user $2 gets a token of the kind $3 by mail, with the hash $4, good for $5 seconds.
INSERT INTO identity.user_tokens (
    user_id,
    kind,
    token_hash,
    expires_at
)
SELECT
    $2,
    $3,
    $4,
    now() + $5::bigint * interval '1 second'
FROM ops.actor($1)
RETURNING
    id,
    expires_at
