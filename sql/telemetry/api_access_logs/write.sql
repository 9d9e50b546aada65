-- Notes the requests in the list $1. They may have been noted already, when nobody heard that they were.
INSERT INTO telemetry.api_access_logs (
    id,
    user_id,
    api_key_id,
    request_id,
    method,
    path,
    status,
    duration_ms,
    bytes,
    ip_address,
    user_agent,
    created_at
)
SELECT
    new.id,
    new.user_id,
    new.api_key_id,
    new.request_id,
    new.method,
    new.path,
    new.status,
    new.duration_ms,
    new.bytes,
    new.ip_address,
    new.user_agent,
    to_timestamp(new.seconds)
FROM jsonb_to_recordset($1) AS new (
    id uuid,
    user_id uuid,
    api_key_id uuid,
    request_id text,
    method text,
    path text,
    status integer,
    duration_ms double precision,
    bytes bigint,
    ip_address inet,
    user_agent text,
    seconds double precision
)
ON CONFLICT DO NOTHING
