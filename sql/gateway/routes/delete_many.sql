-- Routes are removed, by $1, by their names.
DELETE FROM gateway.routes AS t
USING ops.actor($1)
WHERE t.name = ANY ($2)
