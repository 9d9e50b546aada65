-- Something that $1 did and that changed no row: $2 in words like database.query, to $3, with $4.
INSERT INTO telemetry.audit_logs (
    user_id,
    api_key_id,
    request_id,
    action,
    resource_type,
    changes,
    ip_address,
    user_agent
)
SELECT
    (given.context ->> 'user_id')::uuid,
    (given.context ->> 'api_key_id')::uuid,
    given.context ->> 'request_id',
    $2,
    $3,
    $4,
    (given.context ->> 'ip_address')::inet,
    given.context ->> 'user_agent'
FROM ops.actor($1),
    (SELECT $1::jsonb AS context) AS given
