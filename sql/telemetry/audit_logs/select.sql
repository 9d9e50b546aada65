-- All that was changed.
SELECT
    a.id,
    a.user_id,
    a.api_key_id,
    a.request_id,
    a.action,
    a.resource_type,
    a.resource_id,
    a.changes,
    a.ip_address,
    a.user_agent,
    a.database_user,
    a.created_at
FROM telemetry.audit_logs AS a
