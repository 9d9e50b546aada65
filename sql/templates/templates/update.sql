-- Of templates, what $3 names is changed, by $1, if they still are at version $4.
UPDATE templates.templates AS t
SET (
    name,
    slug,
    description,
    category_id,
    technologies,
    tags,
    repository_url,
    template_version,
    parameters,
    files
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.name,
        new.slug,
        new.description,
        new.category_id,
        new.technologies,
        new.tags,
        new.repository_url,
        new.template_version,
        new.parameters,
        new.files
    FROM jsonb_populate_record(t, $3) AS new
)
FROM ops.actor($1)
WHERE t.id = ANY ($2)
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
