-- A route is removed, by $1, if it still is at version $3.
DELETE FROM gateway.routes AS t
USING ops.actor($1)
WHERE t.id = ANY ($2)
    AND ($3::integer IS NULL OR t.version = $3)
RETURNING t.id
