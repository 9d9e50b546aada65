-- The job $1 is due now.
UPDATE ops.jobs AS j
SET next_run_at = now()
WHERE j.name = $1
RETURNING j.name
