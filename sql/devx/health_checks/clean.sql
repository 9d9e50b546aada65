-- What services were asked is forgotten after $1 days, $2 rows at most at once, so that no statement takes long.
DELETE FROM devx.health_checks AS h
WHERE h.id = ANY (ARRAY(
    SELECT old.id
    FROM devx.health_checks AS old
    WHERE old.created_at < now() - $1::integer * interval '1 day'
    ORDER BY old.created_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
))
