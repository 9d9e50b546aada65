-- A generation for the worker $2 and $3 seconds, by $1: one whose lease has run out, or the one that has been due longest.
-- What somebody else is claiming at this moment is passed over. The fence tells this claim from all before it.
WITH lost AS (
    SELECT g.id
    FROM devx.generation_history AS g
    WHERE g.generation_status = 'running'
        AND g.lease_until <= now()
        AND g.attempts < g.attempts_max
    ORDER BY g.lease_until
    LIMIT 1
    FOR UPDATE SKIP LOCKED
),
due AS (
    SELECT g.id
    FROM devx.generation_history AS g
    WHERE g.generation_status = 'pending'
        AND g.due_at <= now()
        AND NOT EXISTS (SELECT FROM lost)
    ORDER BY
        g.due_at,
        g.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE devx.generation_history AS g
SET generation_status = 'running',
    attempts = g.attempts + 1,
    fence = g.fence + 1,
    lease_holder = $2,
    lease_until = now() + $3::bigint * interval '1 second',
    started_at = now(),
    error_message = NULL
FROM ops.actor($1)
WHERE g.id = (SELECT lost.id FROM lost UNION ALL SELECT due.id FROM due)
RETURNING
    g.id,
    g.user_id,
    g.template_id,
    g.project_id,
    g.service_id,
    g.generation_type,
    g.template_version,
    g.template_checksum,
    g.input_params,
    g.output_files,
    g.generation_status,
    g.error_message,
    g.execution_time_ms,
    g.attempts,
    g.attempts_max,
    g.due_at,
    g.lease_until,
    g.lease_holder,
    g.fence,
    g.started_at,
    g.completed_at,
    g.version,
    g.created_at,
    g.updated_at
