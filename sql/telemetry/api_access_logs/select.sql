-- All requests that were noted.
SELECT
    a.id,
    a.user_id,
    a.api_key_id,
    a.request_id,
    a.method,
    a.path,
    a.status,
    a.duration_ms,
    a.bytes,
    a.ip_address,
    a.user_agent,
    a.created_at
FROM telemetry.api_access_logs AS a
