-- All technologies.
SELECT
    t.id,
    t.name,
    t.slug,
    t.kind,
    t.technology_version,
    t.website,
    t.version,
    t.created_at,
    t.updated_at
FROM templates.technologies AS t
