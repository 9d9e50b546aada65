-- What happened to the generation $1, in its order: no more than its attempts bring with them.
SELECT
    e.type,
    e.attempt,
    e.worker,
    e.message,
    e.created_at
FROM devx.generation_events AS e
WHERE e.generation_id = $1
ORDER BY e.id
LIMIT 200
