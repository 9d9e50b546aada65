-- The user $2 has logged in, from the address $4 with the program $5, and may come back for $6 seconds with the token
-- that $3 is the hash of; $7 is the hash of what all tokens of the session have in common.
INSERT INTO identity.sessions (
    user_id,
    token,
    family,
    ip_address,
    user_agent,
    expires_at
)
SELECT
    $2,
    $3,
    $7,
    $4::text::inet,
    left($5, 1024),
    now() + $6::bigint * interval '1 second'
FROM ops.actor($1)
RETURNING
    id,
    expires_at
