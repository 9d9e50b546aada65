-- What users did, in words.
SELECT
    a.id,
    a.user_id,
    a."user",
    a.verb,
    a.resource,
    a.action,
    a.resource_type,
    a.resource_id,
    a.summary,
    a.created_at
FROM telemetry.activity_logs AS a
