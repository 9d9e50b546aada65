-- All figures of machines and services.
SELECT
    m.id,
    m.name,
    m.value,
    m.labels,
    m.recorded_at,
    m.created_at
FROM telemetry.system_metrics AS m
