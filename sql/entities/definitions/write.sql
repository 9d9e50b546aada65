-- What the entity $1 was declared as, where that has changed.
INSERT INTO entities.definitions AS t (name, declaration)
VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET declaration = excluded.declaration
WHERE t.declaration IS DISTINCT FROM excluded.declaration
