-- Whoever has the generation $2 under the fence $3 has it for another $4 seconds, by $1. One that has run out, and that
-- nobody has claimed since, is theirs again.
UPDATE devx.generation_history AS g
SET lease_until = now() + $4::bigint * interval '1 second'
FROM ops.actor($1)
WHERE g.id = $2
    AND g.fence = $3
    AND g.generation_status = 'running'
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
