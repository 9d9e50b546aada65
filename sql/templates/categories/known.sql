-- Whether there is a category of the slug $1.
SELECT c.id
FROM templates.categories AS c
WHERE c.slug = $1
