-- Locks the webhooks of the deliveries $1 in an order that is the same for everybody: before deliveries and events.
SELECT w.id
FROM gateway.webhooks AS w
WHERE w.id = ANY (
    ARRAY(
        SELECT d.webhook_id
        FROM gateway.webhook_deliveries AS d
        WHERE d.id = ANY ($1)
    )
)
ORDER BY w.id
FOR NO KEY UPDATE
