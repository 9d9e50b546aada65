-- All health checks.
SELECT
    h.id,
    h.service_id,
    h.status,
    h.response_status,
    h.response_ms,
    h.error,
    h.created_at
FROM devx.health_checks AS h
