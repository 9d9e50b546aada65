-- All jobs, and how they went.
SELECT
    j.name,
    j.enabled,
    j.next_run_at,
    j.lease_until,
    j.lease_holder,
    j.last_run_at,
    j.last_status,
    j.last_duration_ms,
    j.last_result,
    j.last_error
FROM ops.jobs AS j
ORDER BY j.name
