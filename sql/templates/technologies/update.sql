-- Of technologies, what $3 names is changed, by $1, if they still are at version $4.
UPDATE templates.technologies AS t
SET (
    name,
    slug,
    kind,
    technology_version,
    website
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.name,
        new.slug,
        new.kind,
        new.technology_version,
        new.website
    FROM jsonb_populate_record(t, $3) AS new
)
FROM ops.actor($1)
WHERE t.id = ANY ($2)
    AND ($4::integer IS NULL OR t.version = $4)
RETURNING
    t.id,
    t.name,
    t.slug,
    t.kind,
    t.technology_version,
    t.website,
    t.version,
    t.created_at,
    t.updated_at
