-- All events.
SELECT
    e.id,
    e.type,
    e.source,
    e.payload,
    e.request_id,
    e.status,
    e.deliveries,
    e.unfinished,
    e.failed,
    e.attempts,
    e.created_at
FROM gateway.webhook_events AS e
