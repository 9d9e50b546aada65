-- A notification is removed, by $1, if it still is at version $3.
DELETE FROM telemetry.notifications AS n
USING ops.actor($1)
WHERE n.id = ANY ($2)
    AND ($3::integer IS NULL OR n.version = $3)
RETURNING n.id
