-- Of the routes that do not have all tags of $1: those with a name of $2, and the enabled ones with a pattern of $3.
SELECT
    t.name,
    t.path_shape,
    t.methods,
    t.enabled
FROM gateway.routes AS t
WHERE NOT t.metadata @> jsonb_build_object('tags', $1::text[])
    AND (t.name = ANY ($2) OR (t.enabled AND t.path_shape = ANY ($3)))
