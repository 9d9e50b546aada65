-- A webhook is removed, by $1, if it still is at version $3. A trigger removes its deliveries.
DELETE FROM gateway.webhooks AS w
USING ops.actor($1)
WHERE w.id = ANY ($2)
    AND ($3::integer IS NULL OR w.version = $3)
RETURNING w.id
