-- The generation $2, under the fence $3, is done, by $1: $4 says with which files. No row if somebody else has it.
UPDATE devx.generation_history AS g
SET generation_status = 'completed',
    output_files = new.output_files,
    execution_time_ms = least(2147483647, extract(epoch FROM clock_timestamp() - g.started_at) * 1000)::integer,
    completed_at = now(),
    lease_until = NULL,
    lease_holder = NULL
FROM ops.actor($1),
    jsonb_populate_record(NULL::devx.generation_history, $4) AS new
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
