-- All settings. What is secret is not shown.
SELECT
    s.id,
    s.key,
    CASE WHEN s.secret THEN NULL ELSE s.value END AS value,
    s.description,
    s.secret,
    s.version,
    s.created_at,
    s.updated_at
FROM ops.settings AS s
