-- Of services, what $3 names is changed, by $1, if they still are at version $4.
UPDATE devx.services AS s
SET (
    name,
    slug,
    description,
    template_id,
    user_id,
    project_id,
    service_type,
    port,
    health_check_url,
    health_check_enabled,
    status,
    deployment_config,
    environment_vars,
    resource_limits
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.name,
        new.slug,
        new.description,
        new.template_id,
        new.user_id,
        new.project_id,
        new.service_type,
        new.port,
        new.health_check_url,
        new.health_check_enabled,
        new.status,
        new.deployment_config,
        new.environment_vars,
        new.resource_limits
    FROM jsonb_populate_record(s, $3) AS new
)
FROM ops.actor($1)
WHERE s.id = ANY ($2)
    AND ($4::integer IS NULL OR s.version = $4)
RETURNING
    s.id,
    s.name,
    s.slug,
    s.description,
    s.template_id,
    s.user_id,
    s.project_id,
    s.service_type,
    s.port,
    s.health_check_url,
    s.health_check_enabled,
    s.status,
    s.deployment_config,
    s.environment_vars,
    s.resource_limits,
    s.deployed_at,
    s.health_status,
    s.health_checked_at,
    s.version,
    s.created_at,
    s.updated_at
