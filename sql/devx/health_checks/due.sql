-- Services that are to be asked how they are, $1 at most: those that were not asked for $2 seconds. They are noted as asked, so
-- that nobody else asks them now.
UPDATE devx.services AS s
SET health_checked_at = now()
WHERE s.id IN (
    SELECT due.id
    FROM devx.services AS due
    WHERE due.health_check_enabled
        AND (due.health_checked_at IS NULL OR due.health_checked_at <= now() - $2::bigint * interval '1 second')
    ORDER BY due.health_checked_at NULLS FIRST
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING
    s.id,
    s.health_check_url
