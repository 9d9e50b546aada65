-- Keys whose time is over, some thousands at a time.
DELETE FROM ops.idempotency_keys AS k
WHERE k.id = ANY (ARRAY(
    SELECT i.id
    FROM ops.idempotency_keys AS i
    WHERE i.expires_at <= now()
    ORDER BY i.expires_at
    LIMIT 5000
))
