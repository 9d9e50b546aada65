-- Services are removed, by $1, if they still are at version $3.
DELETE FROM devx.services AS s
USING ops.actor($1)
WHERE s.id = ANY ($2)
    AND ($3::integer IS NULL OR s.version = $3)
RETURNING s.id
