-- The delivery $2 is made again, with the whole schedule before it, says $1. No row if it is not at its end.
UPDATE gateway.webhook_deliveries AS d
SET status = 'PENDING',
    attempts_before = d.attempt,
    next_attempt_at = now(),
    finished_at = NULL
FROM ops.actor($1),
    gateway.webhook_events AS e,
    pg_notify('mainstay_deliveries', '')
WHERE d.id = $2
    AND d.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')
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
