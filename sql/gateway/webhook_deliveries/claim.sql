-- Claims what is due for the webhooks $7, which are locked, and answers each delivery with all that an attempt needs. The server has them for $1 milliseconds; the
-- fence tells this claim from the next. A webhook gets at most $3 at the same time, and one that has just failed again and
-- again gets one. The webhooks $4, which are known to answer quickly, get $2 together, and all others $5, so that slow ones
-- do not have all there is; and of these $5, $6 are kept for those that have nothing on its way.
WITH waiting AS (
    SELECT
        w.id,
        w.ordered,
        w.last_triggered_at,
        w.id = ANY ($4) AS is_quick,
        CASE WHEN w.ordered OR w.blocked_until IS NOT NULL THEN 1 ELSE $3::integer END AS slots
    FROM gateway.webhooks AS w
    WHERE w.id = ANY ($7)
),
chosen AS (
    SELECT
        due.id,
        free.slot,
        waiting.last_triggered_at,
        waiting.is_quick
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT
            slot,
            row_number() OVER (ORDER BY slot) AS turn
        FROM generate_series(1, waiting.slots) AS slot
        WHERE NOT EXISTS (
            SELECT
            FROM gateway.webhook_deliveries AS d
            WHERE d.webhook_id = waiting.id
                AND d.slot = slot.slot
        )
    ) AS free
    JOIN LATERAL (
        SELECT
            found.id,
            row_number() OVER (ORDER BY found.next_attempt_at, found.event_id) AS turn
        FROM (
            SELECT
                any_one.id,
                any_one.event_id,
                any_one.next_attempt_at
            FROM (
                SELECT
                    d.id,
                    d.event_id,
                    d.next_attempt_at
                FROM gateway.webhook_deliveries AS d
                WHERE NOT waiting.ordered
                    AND d.webhook_id = waiting.id
                    AND d.status = 'PENDING'
                    AND d.next_attempt_at <= now()
                ORDER BY d.next_attempt_at
                LIMIT waiting.slots
                FOR NO KEY UPDATE SKIP LOCKED
            ) AS any_one
            UNION ALL
            -- Where the order matters, nothing overtakes the oldest, due or not.
            SELECT
                oldest.id,
                oldest.event_id,
                oldest.next_attempt_at
            FROM (
                SELECT
                    d.id,
                    d.event_id,
                    d.status,
                    d.next_attempt_at
                FROM gateway.webhook_deliveries AS d
                -- A range of one webhook, so that no index will do but the one of open deliveries: in the one of events
                -- all that is delivered would come first.
                WHERE d.webhook_id BETWEEN waiting.id AND waiting.id
                    AND d.status IN ('PENDING', 'DELIVERING')
                ORDER BY d.webhook_id, d.event_id
                LIMIT CASE WHEN waiting.ordered THEN 1 ELSE 0 END
            ) AS oldest
            WHERE oldest.status = 'PENDING'
                AND oldest.next_attempt_at <= now()
        ) AS found
    ) AS due ON due.turn = free.turn
),
-- One of each webhook before the second of any, those first that were not served for the longest time.
fair AS (
    SELECT
        ranked.id,
        ranked.slot
    FROM (
        SELECT
            chosen.*,
            row_number() OVER (
                PARTITION BY chosen.is_quick
                ORDER BY chosen.slot, chosen.last_triggered_at NULLS FIRST
            ) AS place
        FROM chosen
    ) AS ranked
    WHERE ranked.place <= CASE
        WHEN ranked.is_quick THEN $2::bigint
        WHEN ranked.slot = 1 THEN $5::bigint
        ELSE $5 - $6::bigint
    END
),
claimed AS (
    UPDATE gateway.webhook_deliveries AS d
    SET status = 'DELIVERING',
        attempt = d.attempt + 1,
        next_attempt_at = NULL,
        slot = fair.slot,
        lease_until = now() + $1::bigint * interval '1 millisecond',
        fence = d.fence + 1
    FROM fair
    -- Twice, so that each is found by its key: the planner expects as many as wait, and would read the whole table.
    WHERE d.id = ANY (ARRAY(SELECT fair.id FROM fair))
        AND d.id = fair.id
        AND d.status = 'PENDING'
    RETURNING
        d.id,
        d.webhook_id,
        d.event_id,
        d.event_created_at,
        d.attempt,
        d.attempts_before,
        d.fence
)
SELECT
    claimed.id,
    claimed.fence,
    claimed.attempt - claimed.attempts_before AS attempt,
    claimed.webhook_id,
    w.url,
    w.secret,
    w.secret_key_id,
    CASE WHEN w.previous_secret_until > now() THEN w.previous_secret END AS previous_secret,
    w.previous_secret_key_id,
    w.headers,
    w.retry_config,
    claimed.event_id,
    e.type,
    e.timestamp,
    e.payload
FROM claimed
JOIN gateway.webhooks AS w ON w.id = claimed.webhook_id
-- One by one, by key: there are few of these, and many events.
LEFT JOIN LATERAL (
    SELECT
        event.type,
        to_json(event.created_at) #>> '{}' AS timestamp,
        event.payload::text AS payload
    FROM gateway.webhook_events AS event
    WHERE event.id = claimed.event_id
        AND event.created_at = claimed.event_created_at
    OFFSET 0
) AS e ON true
