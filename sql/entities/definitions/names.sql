-- The entities that were declared when tables were last made or changed.
SELECT t.name
FROM entities.definitions AS t
ORDER BY t.name
