-- The job $1, for the server $2 and $3 seconds, if it is due, as it is every $4 seconds, and nobody has it. What is said to be
-- later than that, or taken for longer, was written while the clock was ahead. The fence tells one claim from the next.
INSERT INTO ops.jobs AS j (
    name,
    lease_until,
    lease_holder,
    fence
)
VALUES (
    $1,
    now() + $3::bigint * interval '1 second',
    $2,
    1
)
ON CONFLICT ON CONSTRAINT jobs_name_is_unique DO UPDATE
SET lease_until = excluded.lease_until,
    lease_holder = excluded.lease_holder,
    fence = j.fence + 1
WHERE j.enabled
    AND (j.next_run_at <= now() OR j.next_run_at > now() + $4::bigint * interval '1 second' + interval '1 minute')
    AND (
        j.lease_until IS NULL
        OR j.lease_until <= now()
        OR j.lease_until > now() + $3::bigint * interval '1 second' + interval '1 minute'
    )
RETURNING j.fence
