-- A new technology, made by $1.
INSERT INTO templates.technologies (
    name,
    slug,
    kind,
    technology_version,
    website
)
SELECT
    new.name,
    new.slug,
    new.kind,
    new.technology_version,
    new.website
FROM ops.actor($1),
    jsonb_populate_record(NULL::templates.technologies, $2) AS new
RETURNING
    id,
    name,
    slug,
    kind,
    technology_version,
    website,
    version,
    created_at,
    updated_at
