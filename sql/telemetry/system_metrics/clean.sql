-- Figures that are older than $1 days are removed, $2 at most at once, so that no statement takes long.
DELETE FROM telemetry.system_metrics AS m
WHERE m.id = ANY (ARRAY(
    SELECT old.id
    FROM telemetry.system_metrics AS old
    WHERE old.recorded_at < now() - make_interval(days => $1)
    LIMIT $2
    FOR UPDATE SKIP LOCKED
))
