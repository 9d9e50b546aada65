-- All figures of work.
SELECT
    m.id,
    m.name,
    m.value,
    m.labels,
    m.recorded_at,
    m.created_at
FROM telemetry.performance_metrics AS m
