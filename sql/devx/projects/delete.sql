-- Projects are removed, by $1, if they still are at version $3.
DELETE FROM devx.projects AS p
USING ops.actor($1)
WHERE p.id = ANY ($2)
    AND ($3::integer IS NULL OR p.version = $3)
RETURNING p.id
