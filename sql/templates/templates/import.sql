-- A template of an imported catalogue, $2, by $1: made, or made to be like that. No row if it is like that already. A version
-- that was published is over: what comes under its number again is the next one, which publishing finds.
INSERT INTO templates.templates AS t (
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
)
SELECT
    new.name,
    new.slug,
    new.description,
    (SELECT c.id FROM templates.categories AS c WHERE c.slug = $2::jsonb ->> 'category'),
    new.technologies,
    new.tags,
    new.repository_url,
    new.template_version,
    new.parameters,
    new.files
FROM ops.actor($1),
    jsonb_populate_record(NULL::templates.templates, $2) AS new
ON CONFLICT (slug) DO UPDATE
SET name = excluded.name,
    description = excluded.description,
    category_id = excluded.category_id,
    technologies = excluded.technologies,
    tags = excluded.tags,
    repository_url = excluded.repository_url,
    template_version = CASE
        WHEN EXISTS (
            SELECT
            FROM templates.template_versions AS v
            WHERE v.template_id = t.id
                AND v.template_version = excluded.template_version
        ) THEN t.template_version
        ELSE excluded.template_version
    END,
    parameters = excluded.parameters,
    files = excluded.files
WHERE (
    t.name,
    t.description,
    t.category_id,
    t.technologies,
    t.tags,
    t.repository_url,
    t.parameters,
    t.files
) IS DISTINCT FROM (
    excluded.name,
    excluded.description,
    excluded.category_id,
    excluded.technologies,
    excluded.tags,
    excluded.repository_url,
    excluded.parameters,
    excluded.files
)
OR (
    excluded.template_version <> t.template_version
    AND NOT EXISTS (
        SELECT
        FROM templates.template_versions AS v
        WHERE v.template_id = t.id
            AND v.template_version = excluded.template_version
    )
)
RETURNING
    t.id,
    t.version = 1 AS is_new
