-- The user $2 has read all their notifications, by $1.
UPDATE telemetry.notifications AS n
SET read_at = now()
FROM ops.actor($1)
WHERE n.user_id = $2
    AND n.read_at IS NULL
