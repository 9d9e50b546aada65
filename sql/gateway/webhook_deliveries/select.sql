-- All deliveries.
SELECT
    d.id,
    d.event_id,
    d.webhook_id,
    (SELECT e.type FROM gateway.webhook_events AS e WHERE e.id = d.event_id AND e.created_at = d.event_created_at) AS event_type,
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
