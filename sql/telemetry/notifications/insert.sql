-- A new notification, from $1.
INSERT INTO telemetry.notifications (
    user_id,
    type,
    title,
    body,
    data,
    expires_at
)
SELECT
    new.user_id,
    new.type,
    new.title,
    new.body,
    new.data,
    new.expires_at
FROM ops.actor($1),
    jsonb_populate_record(NULL::telemetry.notifications, $2) AS new
RETURNING
    id,
    user_id,
    type,
    title,
    body,
    data,
    read_at,
    expires_at,
    version,
    created_at,
    updated_at
