-- All versions of templates that were published.
SELECT
    v.id,
    v.template_id,
    v.template_version,
    v.checksum,
    v.snapshot,
    v.published_by,
    v.created_at
FROM templates.template_versions AS v
