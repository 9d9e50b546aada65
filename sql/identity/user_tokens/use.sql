-- Whose token of the kind $3 has the hash $2? It is answered once.
UPDATE identity.user_tokens AS t
SET used_at = now()
FROM ops.actor($1)
WHERE t.token_hash = $2
    AND t.kind = $3
    AND t.used_at IS NULL
    AND t.expires_at > now()
RETURNING t.user_id
