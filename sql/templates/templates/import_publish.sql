-- The template of the slug $2 is published by $1, if it is not what was published last. Under its own version, or, where that
-- was published before, under the next one behind it: 1.2.4 behind 1.2.3. No row if there is nothing new.
UPDATE templates.templates AS t
SET template_version = coming.number,
    published_version = coming.number,
    published_at = clock_timestamp(),
    status = 'PUBLISHED',
    deprecated_at = NULL,
    deprecation = NULL,
    successor_id = NULL
FROM ops.actor($1),
    templates.templates AS current
    LEFT JOIN templates.template_versions AS latest ON latest.template_id = current.id
        AND latest.template_version = current.published_version
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN count(*) FILTER (WHERE v.template_version = current.template_version) = 0 THEN current.template_version
            ELSE substring(current.template_version FROM '^[0-9]+[.][0-9]+[.]')
                || max(substring(v.template_version FROM '^[0-9]+[.][0-9]+[.]([0-9]+)')::integer) FILTER (
                    WHERE substring(v.template_version FROM '^[0-9]+[.][0-9]+[.]')
                        = substring(current.template_version FROM '^[0-9]+[.][0-9]+[.]')
                ) + 1
        END AS number
        FROM templates.template_versions AS v
        WHERE v.template_id = current.id
    ) AS coming
WHERE current.slug = $2
    AND t.id = current.id
    AND latest.snapshot - 'template_version' IS DISTINCT FROM jsonb_build_object(
        'name', current.name,
        'slug', current.slug,
        'description', current.description,
        'technologies', current.technologies,
        'tags', current.tags,
        'repository_url', current.repository_url,
        'parameters', current.parameters,
        'files', current.files
    )
RETURNING t.published_version
