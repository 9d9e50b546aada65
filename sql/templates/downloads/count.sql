-- Of downloads that have not been counted, the $1 oldest are, and are removed. Whoever counts at the same time takes others.
-- In the order of their ids, so that two never wait for each other.
WITH gone AS (
    DELETE FROM templates.downloads AS d
    WHERE d.id IN (
        SELECT old.id
        FROM templates.downloads AS old
        ORDER BY old.id
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING d.template_id
),
counts AS (
    SELECT
        gone.template_id,
        count(*) AS number
    FROM gone
    GROUP BY gone.template_id
),
-- All that are changed are locked in one order.
free AS (
    SELECT
        t.id,
        counts.number
    FROM templates.templates AS t
    JOIN counts ON counts.template_id = t.id
    ORDER BY t.id
    FOR NO KEY UPDATE OF t
),
counted AS (
    UPDATE templates.templates AS t
    SET downloads = t.downloads + free.number
    FROM free
    WHERE t.id = free.id
)
SELECT coalesce(sum(counts.number), 0)::bigint
FROM counts
