-- The template $2, which is published, is deprecated by $1: for the reason $3, and with the successor $4, if it still is at
-- version $5.
UPDATE templates.templates AS t
SET status = 'DEPRECATED',
    deprecated_at = coalesce(t.deprecated_at, now()),
    deprecation = $3,
    successor_id = $4
FROM ops.actor($1)
WHERE t.id = $2
    AND t.status <> 'DRAFT'
    AND ($5::integer IS NULL OR t.version = $5)
RETURNING
    t.id,
    t.name,
    t.slug,
    t.description,
    t.category_id,
    t.technologies,
    t.tags,
    t.repository_url,
    t.template_version,
    t.parameters,
    t.files,
    t.status,
    t.author_id,
    t.published_version,
    t.published_at,
    t.deprecated_at,
    t.deprecation,
    t.successor_id,
    t.downloads,
    t.version,
    t.created_at,
    t.updated_at
