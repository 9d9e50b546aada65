-- A new project, made by $1.
INSERT INTO devx.projects (
    name,
    slug,
    description,
    owner_id,
    team_id,
    repository_url,
    status,
    configuration,
    metadata
)
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
FROM ops.actor($1),
    jsonb_populate_record(NULL::devx.projects, $2) AS new
RETURNING
    id,
    name,
    slug,
    description,
    owner_id,
    team_id,
    repository_url,
    status,
    configuration,
    metadata,
    version,
    created_at,
    updated_at
