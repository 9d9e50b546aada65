-- A new team, made by $1. A trigger makes its creator the owner.
INSERT INTO identity.teams (
    name,
    slug,
    created_by,
    metadata
)
SELECT
    new.name,
    new.slug,
    new.created_by,
    new.metadata
FROM ops.actor($1),
    jsonb_populate_record(NULL::identity.teams, $2) AS new
RETURNING
    id,
    name,
    slug,
    created_by,
    metadata,
    version,
    created_at,
    updated_at
