-- The generation $2, under the fence $3, has failed, by $1: $4 says why, and whether to try again. Each time it waits twice
-- as long; after the last time it has failed for good. No row if somebody else has it.
UPDATE devx.generation_history AS g
SET generation_status = CASE WHEN again.is_tried THEN 'pending' ELSE 'failed' END,
    error_message = new.error_message,
    execution_time_ms = least(2147483647, extract(epoch FROM clock_timestamp() - g.started_at) * 1000)::integer,
    due_at = CASE WHEN again.is_tried THEN now() + 5 * 2 ^ (g.attempts - 1) * interval '1 second' ELSE g.due_at END,
    completed_at = CASE WHEN NOT again.is_tried THEN now() END,
    lease_until = NULL,
    lease_holder = NULL
FROM ops.actor($1),
    jsonb_populate_record(NULL::devx.generation_history, $4) AS new,
    devx.generation_history AS current
    CROSS JOIN LATERAL (
        SELECT ($4::jsonb ->> 'retry')::boolean AND current.attempts < current.attempts_max AS is_tried
    ) AS again
WHERE g.id = $2
    AND g.fence = $3
    AND g.generation_status = 'running'
    AND current.id = g.id
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
