-- Of a team, what $3 names is changed, by $1, if it still is at version $4.
UPDATE identity.teams AS t
SET (
    name,
    slug,
    metadata
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.name,
        new.slug,
        new.metadata
    FROM jsonb_populate_record(t, $3) AS new
)
FROM ops.actor($1)
WHERE t.id = ANY ($2)
    AND ($4::integer IS NULL OR t.version = $4)
RETURNING
    t.id,
    t.name,
    t.slug,
    t.created_by,
    t.metadata,
    t.version,
    t.created_at,
    t.updated_at
