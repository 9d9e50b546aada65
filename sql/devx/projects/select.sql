-- All projects.
SELECT
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
FROM devx.projects AS p
