-- The user $2 has read their notification $3, by $1. The first time counts.
UPDATE telemetry.notifications AS n
SET read_at = coalesce(n.read_at, now())
FROM ops.actor($1)
WHERE n.id = $3
    AND n.user_id = $2
RETURNING
    n.id,
    n.user_id,
    n.type,
    n.title,
    n.body,
    n.data,
    n.read_at,
    n.expires_at,
    n.version,
    n.created_at,
    n.updated_at
