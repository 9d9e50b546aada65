-- Notifications that have expired are removed, $1 at most at once, so that no statement takes long.
DELETE FROM telemetry.notifications AS n
WHERE n.id = ANY (ARRAY(
    SELECT old.id
    FROM telemetry.notifications AS old
    WHERE old.expires_at <= now()
    ORDER BY old.expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
))
