-- Of categories, what $3 names is changed, by $1, if they still are at version $4.
UPDATE templates.categories AS c
SET (
    name,
    slug,
    description,
    icon,
    parent_id,
    position
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.name,
        new.slug,
        new.description,
        new.icon,
        new.parent_id,
        new.position
    FROM jsonb_populate_record(c, $3) AS new
)
FROM ops.actor($1)
WHERE c.id = ANY ($2)
    AND ($4::integer IS NULL OR c.version = $4)
RETURNING
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
