-- All deliveries.
SELECT
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
FROM gateway.webhook_deliveries AS d
