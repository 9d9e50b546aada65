-- What happened is forgotten after $1 days, $2 rows at most at once, so that no statement takes long.
DELETE FROM devx.activity AS a
WHERE a.id = ANY (ARRAY(
    SELECT old.id
    FROM devx.activity AS old
    WHERE old.created_at < now() - $1::integer * interval '1 day'
    ORDER BY old.created_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
))
