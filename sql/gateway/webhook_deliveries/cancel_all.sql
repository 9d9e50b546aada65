-- What waits for the webhook $2 is not delivered any more, says $1; at most $3 deliveries.
UPDATE gateway.webhook_deliveries AS d
SET status = 'CANCELLED',
    next_attempt_at = NULL,
    finished_at = now()
FROM ops.actor($1)
WHERE d.id IN (
    SELECT waiting.id
    FROM gateway.webhook_deliveries AS waiting
    WHERE waiting.webhook_id = $2
        AND waiting.status = 'PENDING'
    ORDER BY waiting.next_attempt_at
    LIMIT $3::bigint
    FOR UPDATE SKIP LOCKED
)
RETURNING d.id
