-- All services.
SELECT
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
FROM devx.services AS s
