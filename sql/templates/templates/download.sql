-- The template $2 in the version $3, or as it was published last, for $1; that somebody got it is one more row, for which
-- nobody waits.
WITH found AS (
    SELECT
        v.id,
        v.template_id,
        v.template_version,
        v.checksum,
        v.snapshot,
        v.created_at AS published_at
    FROM templates.templates AS t
    JOIN templates.template_versions AS v ON v.template_id = t.id
        AND v.template_version = coalesce($3, t.published_version)
    WHERE t.id = $2
),
counted AS (
    INSERT INTO templates.downloads (template_id)
    SELECT found.template_id
    FROM ops.actor($1),
        found
)
SELECT to_json(found)::text
FROM found
