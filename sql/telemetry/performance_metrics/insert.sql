-- A new figure, from $1.
INSERT INTO telemetry.performance_metrics (
    name,
    value,
    labels,
    recorded_at
)
SELECT
    new.name,
    new.value,
    new.labels,
    coalesce(new.recorded_at, now())
FROM ops.actor($1),
    jsonb_populate_record(NULL::telemetry.performance_metrics, $2) AS new
RETURNING
    id,
    name,
    value,
    labels,
    recorded_at,
    created_at
