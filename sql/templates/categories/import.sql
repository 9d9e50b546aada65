-- A category of an imported catalogue, $2, by $1: made, or made to be like that. No row if it is like that already. The one
-- above it is named by its slug.
INSERT INTO templates.categories AS c (
    name,
    slug,
    description,
    icon,
    parent_id,
    position
)
SELECT
    new.name,
    new.slug,
    new.description,
    new.icon,
    (SELECT p.id FROM templates.categories AS p WHERE p.slug = $2::jsonb ->> 'parent'),
    new.position
FROM ops.actor($1),
    jsonb_populate_record(NULL::templates.categories, $2) AS new
ON CONFLICT (slug) DO UPDATE
SET name = excluded.name,
    description = excluded.description,
    icon = excluded.icon,
    parent_id = excluded.parent_id,
    position = excluded.position
WHERE (
    c.name,
    c.description,
    c.icon,
    c.parent_id,
    c.position
) IS DISTINCT FROM (
    excluded.name,
    excluded.description,
    excluded.icon,
    excluded.parent_id,
    excluded.position
)
RETURNING
    c.id,
    c.version = 1 AS is_new
