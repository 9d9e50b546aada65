-- A new category, made by $1.
INSERT INTO templates.categories (
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
    new.parent_id,
    new.position
FROM ops.actor($1),
    jsonb_populate_record(NULL::templates.categories, $2) AS new
RETURNING
    id,
    name,
    slug,
    description,
    icon,
    parent_id,
    position,
    version,
    created_at,
    updated_at
