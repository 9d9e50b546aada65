-- What is wrong in a database that is served from.
SELECT
    EXISTS (
        SELECT
        FROM identity.users AS u
        WHERE u.role = 'ADMIN'
            AND u.status = 'ACTIVE'
    ) AS has_admin,
    ARRAY(
        SELECT j.name
        FROM ops.jobs AS j
        WHERE j.last_status = 'FAILED'
        ORDER BY j.name
    ) AS failing_jobs,
    ARRAY(
        SELECT j.name
        FROM ops.jobs AS j
        WHERE j.enabled
            AND j.next_run_at < now() - interval '1 hour'
        ORDER BY j.name
    ) AS overdue_jobs,
    ARRAY(
        SELECT j.name
        FROM ops.jobs AS j
        WHERE j.last_run_at > now() + interval '1 minute'
            OR j.next_run_at > now() + interval '2 days'
        ORDER BY j.name
    ) AS future_jobs
