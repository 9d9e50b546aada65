-- Projects that were made from an older version of a template than the one that was published last: $1 at most, behind the
-- project $2, of the project $3 and the template $4 if they are named. With what they were made from and with, what it is
-- now, and both as they were published: $5 rows of each project at most.
WITH behind AS (
    SELECT
        p.id AS project_id,
        p.name AS project_name,
        p.slug AS project_slug,
        t.id AS template_id,
        t.name AS template_name,
        t.status AS template_status,
        t.successor_id,
        g.id AS generation_id,
        g.completed_at AS generated_at,
        g.input_params,
        g.template_version AS generated_version,
        t.published_version,
        was.snapshot AS before,
        latest.snapshot AS after,
        dense_rank() OVER (ORDER BY p.id) AS project_number,
        row_number() OVER (PARTITION BY p.id ORDER BY t.id) AS template_number
    FROM devx.projects AS p
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (newest.template_id)
            newest.id,
            newest.template_id,
            newest.template_version,
            newest.completed_at,
            newest.input_params
        FROM devx.generation_history AS newest
        WHERE newest.project_id = p.id
            AND newest.generation_status = 'completed'
            AND newest.template_version IS NOT NULL
        ORDER BY
            newest.template_id,
            newest.completed_at DESC,
            newest.id DESC
    ) AS g
    JOIN templates.templates AS t ON t.id = g.template_id
    JOIN templates.template_versions AS was ON was.template_id = g.template_id
        AND was.template_version = g.template_version
    JOIN templates.template_versions AS latest ON latest.template_id = t.id
        AND latest.template_version = t.published_version
    WHERE was.created_at < latest.created_at
        AND p.status = 'ACTIVE'
        AND ($2::uuid IS NULL OR p.id > $2)
        AND ($3::uuid IS NULL OR p.id = $3)
        AND ($4::uuid IS NULL OR t.id = $4)
)
SELECT
    b.project_id,
    b.project_name,
    b.project_slug,
    b.template_id,
    b.template_name,
    b.template_status,
    b.successor_id,
    b.generation_id,
    b.generated_at,
    b.input_params,
    b.generated_version,
    b.published_version,
    b.before,
    b.after
FROM behind AS b
WHERE b.project_number <= $1
    AND b.template_number <= $5
ORDER BY
    b.project_id,
    b.template_id
