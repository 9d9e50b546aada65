-- Categories are removed, by $1, if they still are at version $3.
DELETE FROM templates.categories AS c
USING ops.actor($1)
WHERE c.id = ANY ($2)
    AND ($3::integer IS NULL OR c.version = $3)
RETURNING c.id
