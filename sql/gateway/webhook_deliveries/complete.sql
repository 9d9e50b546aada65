-- What became of the attempts in $1, those of them that are still this server's: the fence is the one it claimed with, and
-- the lease is not over. Answers them, with what is known of their webhooks now. Failures in a row close a webhook for a
-- while that doubles, and a success opens it.
WITH results AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset($1) AS result (
        id uuid,
        fence bigint,
        status text,
        wait_ms bigint,
        response_status integer,
        response_ms integer,
        response_excerpt text,
        error text
    )
),
recorded AS (
    UPDATE gateway.webhook_deliveries AS d
    SET status = result.status,
        next_attempt_at = CASE
            WHEN result.status = 'PENDING' THEN now() + result.wait_ms * interval '1 millisecond'
        END,
        slot = NULL,
        lease_until = NULL,
        response_status = result.response_status,
        response_ms = result.response_ms,
        response_excerpt = result.response_excerpt,
        error = result.error,
        finished_at = CASE WHEN result.status <> 'PENDING' THEN now() END
    FROM results AS result
    WHERE d.id = result.id
        AND d.fence = result.fence
        AND d.status = 'DELIVERING'
        AND d.lease_until > now()
    RETURNING
        d.id,
        d.webhook_id,
        d.status,
        d.response_status
),
summed AS (
    SELECT
        recorded.webhook_id,
        bool_or(recorded.status = 'SUCCEEDED') AS has_success,
        count(*) FILTER (WHERE recorded.status <> 'SUCCEEDED') AS failures,
        max(recorded.response_status) AS response_status
    FROM recorded
    GROUP BY recorded.webhook_id
),
noted AS (
    UPDATE gateway.webhooks AS w
    SET last_triggered_at = now(),
        last_status = summed.response_status,
        failure_count = CASE WHEN summed.has_success THEN 0 ELSE w.failure_count + summed.failures END,
        failing_since = CASE WHEN NOT summed.has_success THEN coalesce(w.failing_since, now()) END,
        blocked_until = CASE
            WHEN NOT summed.has_success AND w.failure_count + summed.failures >= 5 THEN now()
                + least(300, 5 * 2 ^ least(w.failure_count + summed.failures - 5, 6)) * interval '1 second'
        END
    FROM summed
    WHERE w.id = summed.webhook_id
    RETURNING
        w.id,
        w.failing_since
)
SELECT
    recorded.id,
    recorded.webhook_id,
    noted.failing_since < now() - interval '5 days' AS is_hopeless
FROM recorded
LEFT JOIN noted ON noted.id = recorded.webhook_id
