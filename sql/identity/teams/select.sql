-- All teams.
SELECT
    t.id,
    t.name,
    t.slug,
    t.created_by,
    t.metadata,
    t.version,
    t.created_at,
    t.updated_at
FROM identity.teams AS t
