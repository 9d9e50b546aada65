-- What became of the deliveries of the webhook $1 since $3; $2 is an id that is made at that time. No row if there is no
-- such webhook.
SELECT
    $3::text::timestamptz AS since,
    counts.*,
    waiting.*
FROM gateway.webhooks AS w
CROSS JOIN LATERAL (
    SELECT
        count(*) AS deliveries,
        count(*) FILTER (WHERE d.status = 'SUCCEEDED') AS succeeded,
        count(*) FILTER (WHERE d.status = 'FAILED') AS failed,
        count(*) FILTER (WHERE d.status = 'CANCELLED') AS cancelled,
        coalesce(sum(d.attempt), 0) AS attempts,
        round(avg(d.attempt) FILTER (WHERE d.status = 'SUCCEEDED'), 2)::double precision AS attempts_per_success,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY d.response_ms) AS response_ms_median,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY d.response_ms) AS response_ms_95,
        max(d.response_ms) AS response_ms_max,
        max(d.finished_at) FILTER (WHERE d.status = 'SUCCEEDED') AS last_success_at,
        max(d.finished_at) FILTER (WHERE d.status = 'FAILED') AS last_failure_at
    FROM gateway.webhook_deliveries AS d
    WHERE d.webhook_id = w.id
        AND d.id >= $2
) AS counts
-- What waits is told whenever it began to.
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE d.status = 'PENDING') AS pending,
        count(*) FILTER (WHERE d.status = 'DELIVERING') AS delivering,
        min(d.created_at) AS oldest_waiting_since
    FROM gateway.webhook_deliveries AS d
    WHERE d.webhook_id = w.id
        AND d.status IN ('PENDING', 'DELIVERING')
) AS waiting
WHERE w.id = $1
