-- Events from $3 to $4 that the webhook $2 asks for are delivered to it again, says $1, or for the first time if it did not
-- exist or was disabled then; at most $6 of them, the oldest first. Those that it has had already only if $5. What is on
-- its way anyway is left alone.
WITH wanted AS MATERIALIZED (
    SELECT
        e.id,
        e.type,
        e.created_at
    FROM ops.actor($1),
        gateway.webhooks AS w
    JOIN gateway.webhook_events AS e
        ON e.created_at >= $3::text::timestamptz
        AND e.created_at < $4::text::timestamptz
        AND w.events && gateway.event_patterns(e.type)
    LEFT JOIN gateway.webhook_deliveries AS d
        ON d.webhook_id = w.id
        AND d.event_id = e.id
    WHERE w.id = $2
        AND (d.id IS NULL OR d.status IN ('FAILED', 'CANCELLED') OR ($5::boolean AND d.status = 'SUCCEEDED'))
    ORDER BY e.created_at, e.id
    LIMIT $6::bigint
),
made AS (
    INSERT INTO gateway.webhook_deliveries AS d (
        event_id,
        event_created_at,
        event_type,
        webhook_id
    )
    SELECT
        wanted.id,
        wanted.created_at,
        wanted.type,
        $2
    FROM wanted
    ON CONFLICT ON CONSTRAINT webhook_deliveries_webhook_and_event_are_unique DO UPDATE
    SET status = 'PENDING',
        attempts_before = d.attempt,
        next_attempt_at = now(),
        finished_at = NULL
    -- Again, because another replay may have made it meanwhile, and it may have arrived.
    WHERE d.status IN ('FAILED', 'CANCELLED')
        OR ($5::boolean AND d.status = 'SUCCEEDED')
    RETURNING
        d.event_id,
        d.event_created_at,
        -- Those that are new were never changed.
        d.xmax = 0 AS is_new
),
counted AS (
    UPDATE gateway.webhook_events AS e
    SET deliveries = e.deliveries + 1,
        unfinished = e.unfinished + 1,
        status = gateway.event_status(e.deliveries + 1, e.unfinished + 1, e.failed, e.attempts)
    FROM made
    WHERE e.id = made.event_id
        AND e.created_at = made.event_created_at
        AND made.is_new
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM made) AS affected,
    (SELECT count(*) FROM counted) AS new,
    (SELECT count(*) FROM wanted) AS wanted,
    pg_notify('mainstay_deliveries', '')
