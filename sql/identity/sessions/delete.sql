-- A session is removed, by $1, if it still is at version $3.
DELETE FROM identity.sessions AS s
USING ops.actor($1)
WHERE s.id = ANY ($2)
    AND ($3::integer IS NULL OR s.version = $3)
RETURNING s.id
