-- Removes deliveries of events that are not kept any more: those with ids from before $1, at most $2 of them. How many of
-- them were still waiting is answered, too. An array of ids is looked up by the key; a subquery with a limit that is not known
-- yet is expected to find a tenth of the table, and joined by reading all of it: once for each of many portions.
WITH removed AS (
    DELETE FROM gateway.webhook_deliveries AS d
    WHERE d.id = ANY (ARRAY(
        SELECT old.id
        FROM gateway.webhook_deliveries AS old
        WHERE old.id < $1
        ORDER BY old.id
        LIMIT $2::bigint
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING d.status
)
SELECT
    count(*) AS removed,
    count(*) FILTER (WHERE removed.status IN ('PENDING', 'DELIVERING')) AS waiting
FROM removed
