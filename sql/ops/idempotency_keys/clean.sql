-- Keys whose time is over, at most $1 of them.
DELETE FROM ops.idempotency_keys AS k
WHERE k.id = ANY (ARRAY(
    SELECT i.id
    FROM ops.idempotency_keys AS i
    WHERE i.expires_at <= now()
    ORDER BY i.expires_at
    LIMIT $1::bigint
))
