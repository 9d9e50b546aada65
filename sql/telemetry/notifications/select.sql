-- All notifications that have not expired.
SELECT
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
FROM telemetry.notifications AS n
WHERE n.expires_at IS NULL
    OR n.expires_at > now()
