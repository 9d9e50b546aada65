-- Attempts whose server has not said in time what became of them are over, at most $1 of them. They are made again at once,
-- as the next attempt, but not for ever: one that takes its server down each time must end.
UPDATE gateway.webhook_deliveries AS d
SET status = CASE WHEN d.attempt - d.attempts_before < 20 THEN 'PENDING' ELSE 'FAILED' END,
    next_attempt_at = CASE WHEN d.attempt - d.attempts_before < 20 THEN now() END,
    finished_at = CASE WHEN d.attempt - d.attempts_before >= 20 THEN now() END,
    slot = NULL,
    lease_until = NULL,
    response_status = NULL,
    response_ms = NULL,
    response_excerpt = NULL,
    error = 'the server that made the attempt did not say what became of it'
WHERE d.id IN (
    SELECT lost.id
    FROM gateway.webhook_deliveries AS lost
    WHERE lost.status = 'DELIVERING'
        AND lost.lease_until <= now()
    ORDER BY lost.lease_until
    LIMIT $1::bigint
    FOR UPDATE SKIP LOCKED
)
RETURNING d.id
