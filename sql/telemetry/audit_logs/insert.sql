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
    (actor.context ->> 'user_id')::uuid,
    (actor.context ->> 'api_key_id')::uuid,
    actor.context ->> 'request_id',
    $2,
    $3,
    $4,
    (actor.context ->> 'ip_address')::inet,
    actor.context ->> 'user_agent'
FROM ops.actor($1),
    (SELECT $1::jsonb AS context) AS actor
