-- What happened to projects, their services and generations.
SELECT
    a.id,
    a.user_id,
    a.project_id,
    a.team_id,
    a.verb,
    a.resource_type,
    a.resource_id,
    a.summary,
    a.created_at
FROM devx.activity AS a
