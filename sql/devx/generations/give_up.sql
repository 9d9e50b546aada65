-- Generations whose last lease has run out have failed, $1 at most at once.
UPDATE devx.generation_history AS g
SET generation_status = 'failed',
    error_message = 'the worker ' || g.lease_holder || ' was not heard of any more, and it was the last attempt',
    completed_at = now(),
    lease_until = NULL,
    lease_holder = NULL
WHERE g.id IN (
    SELECT lost.id
    FROM devx.generation_history AS lost
    WHERE lost.generation_status = 'running'
        AND lost.lease_until <= now()
        AND lost.attempts >= lost.attempts_max
    ORDER BY lost.lease_until
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
