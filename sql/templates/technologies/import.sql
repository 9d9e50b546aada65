-- A technology of an imported catalogue, $2, by $1: made, or made to be like that. No row if it is like that already.
INSERT INTO templates.technologies AS t (
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
ON CONFLICT (slug) DO UPDATE
SET name = excluded.name,
    kind = excluded.kind,
    technology_version = excluded.technology_version,
    website = excluded.website
WHERE (
    t.name,
    t.kind,
    t.technology_version,
    t.website
) IS DISTINCT FROM (
    excluded.name,
    excluded.kind,
    excluded.technology_version,
    excluded.website
)
RETURNING
    t.id,
    t.version = 1 AS is_new
