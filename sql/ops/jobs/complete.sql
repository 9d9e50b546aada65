-- What became of the job $1, claimed with the fence $2, which is due again in $3 seconds. No row if somebody else has claimed it since.
UPDATE ops.jobs AS j
SET lease_until = NULL,
    lease_holder = NULL,
    next_run_at = now() + $3::bigint * interval '1 second',
    last_run_at = now(),
    last_status = $4,
    last_duration_ms = $5,
    last_result = $6,
    last_error = $7
WHERE j.name = $1
    AND j.fence = $2
RETURNING j.id
