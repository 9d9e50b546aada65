-- The delivery $2 is not made any more, says $1. No row if it is not waiting.
UPDATE gateway.webhook_deliveries AS d
SET status = 'CANCELLED',
    next_attempt_at = NULL,
    finished_at = now()
FROM ops.actor($1),
    gateway.webhook_events AS e
WHERE d.id = $2
    AND d.status = 'PENDING'
    AND e.id = d.event_id
    AND e.created_at = d.event_created_at
RETURNING
    d.id,
    d.event_id,
    d.webhook_id,
    d.event_type,
    d.status,
    d.attempt,
    d.next_attempt_at,
    d.response_status,
    d.response_ms,
    d.response_excerpt,
    d.error,
    d.finished_at,
    d.created_at
