-- The state of the delivery $1, and whether its event is still there.
SELECT
    d.status,
    EXISTS (
        SELECT
        FROM gateway.webhook_events AS e
        WHERE e.id = d.event_id
            AND e.created_at = d.event_created_at
    ) AS has_event
FROM gateway.webhook_deliveries AS d
WHERE d.id = $1
