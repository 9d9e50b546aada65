-- An API key is removed, by $1, if it still is at version $3.
DELETE FROM identity.api_keys AS k
USING ops.actor($1)
WHERE k.id = ANY ($2)
    AND ($3::integer IS NULL OR k.version = $3)
RETURNING k.id
