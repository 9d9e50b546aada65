-- Of projects, what $3 names is changed, by $1, if they still are at version $4.
UPDATE devx.projects AS p
SET (
    name,
    slug,
    description,
    owner_id,
    team_id,
    repository_url,
    status,
    configuration,
    metadata
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.name,
        new.slug,
        new.description,
        new.owner_id,
        new.team_id,
        new.repository_url,
        new.status,
        new.configuration,
        new.metadata
    FROM jsonb_populate_record(p, $3) AS new
)
FROM ops.actor($1)
WHERE p.id = ANY ($2)
    AND ($4::integer IS NULL OR p.version = $4)
RETURNING
    p.id,
    p.name,
    p.slug,
    p.description,
    p.owner_id,
    p.team_id,
    p.repository_url,
    p.status,
    p.configuration,
    p.metadata,
    p.version,
    p.created_at,
    p.updated_at
