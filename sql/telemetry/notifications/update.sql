-- Of a notification, what $3 names is changed, by $1, if it still is at version $4.
UPDATE telemetry.notifications AS n
SET read_at = (
    -- Computed from the row as it is when it is written.
    SELECT new.read_at
    FROM jsonb_populate_record(n, $3) AS new
)
FROM ops.actor($1)
WHERE n.id = ANY ($2)
    AND ($4::integer IS NULL OR n.version = $4)
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
