-- The template $2 is published by $1, as the version $3 or the one that it names, if it still is at version $4. A trigger
-- keeps it as it is now, and refuses a version that was published before. The clock's time, not the transaction's: in a
-- batch one template may be published twice, and the second time is another.
UPDATE templates.templates AS t
SET template_version = coalesce($3, t.template_version),
    published_version = coalesce($3, t.template_version),
    published_at = clock_timestamp(),
    status = 'PUBLISHED',
    deprecated_at = NULL,
    deprecation = NULL,
    successor_id = NULL
FROM ops.actor($1)
WHERE t.id = $2
    AND ($4::integer IS NULL OR t.version = $4)
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
