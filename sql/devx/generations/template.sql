-- What is generated from: the template $1 in the version $2, or as it was published last. Without a version there is nothing
-- to generate from.
SELECT
    t.name,
    v.template_version,
    v.checksum,
    v.snapshot -> 'parameters' AS parameters
FROM templates.templates AS t
LEFT JOIN templates.template_versions AS v ON v.template_id = t.id
    AND v.template_version = coalesce($2, t.published_version)
WHERE t.id = $1
