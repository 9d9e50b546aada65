-- How far the template $1 is.
SELECT
    t.version,
    t.status
FROM templates.templates AS t
WHERE t.id = $1
