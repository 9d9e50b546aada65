-- Locks webhooks for which something is due and there is room, to claim it by the next statement: that sees what others have
-- claimed for them before. At most $3 of the webhooks $2, which are known to answer quickly, and $4 of the others; $1 is how
-- much each may get at the same time. First those that were not served for the longest time; whom somebody else has locked
-- is theirs.
WITH open AS (
    SELECT
        w.id,
        w.last_triggered_at,
        w.id = ANY ($2) AS is_quick
    FROM gateway.webhooks AS w
    WHERE w.enabled
        AND (w.blocked_until IS NULL OR w.blocked_until <= now())
        AND EXISTS (
            SELECT
            FROM gateway.webhook_deliveries AS d
            WHERE d.webhook_id = w.id
                AND d.status = 'PENDING'
                AND d.next_attempt_at <= now()
        )
        AND (
            SELECT count(*)
            FROM gateway.webhook_deliveries AS d
            WHERE d.webhook_id = w.id
                AND d.slot IS NOT NULL
        ) < CASE WHEN w.ordered OR w.blocked_until IS NOT NULL THEN 1 ELSE $1::integer END
),
quick AS (
    SELECT w.id
    FROM open
    JOIN gateway.webhooks AS w ON w.id = open.id
    WHERE open.is_quick
    ORDER BY open.last_triggered_at NULLS FIRST
    LIMIT $3::bigint
    FOR NO KEY UPDATE OF w SKIP LOCKED
),
others AS (
    SELECT w.id
    FROM open
    JOIN gateway.webhooks AS w ON w.id = open.id
    WHERE NOT open.is_quick
    ORDER BY open.last_triggered_at NULLS FIRST
    LIMIT $4::bigint
    FOR NO KEY UPDATE OF w SKIP LOCKED
)
SELECT id
FROM quick
UNION ALL
SELECT id
FROM others
