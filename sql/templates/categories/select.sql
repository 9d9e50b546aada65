-- All categories.
SELECT
    c.id,
    c.name,
    c.slug,
    c.description,
    c.icon,
    c.parent_id,
    c.position,
    c.version,
    c.created_at,
    c.updated_at
FROM templates.categories AS c
