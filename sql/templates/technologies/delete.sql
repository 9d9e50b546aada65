-- Technologies are removed, by $1, if they still are at version $3.
DELETE FROM templates.technologies AS t
USING ops.actor($1)
WHERE t.id = ANY ($2)
    AND ($3::integer IS NULL OR t.version = $3)
RETURNING t.id
