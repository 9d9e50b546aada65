-- Migration: DevX
-- Version: 006
-- Description: What is built here: projects, their services, what was generated for them, and what happened to them
-- Created: 2026-11-21T00:00:00Z

CREATE SCHEMA devx;
COMMENT ON SCHEMA devx IS 'What is built here: projects, their services, and what was generated for them';

CREATE TABLE devx.projects (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    slug text NOT NULL,
    description text NOT NULL DEFAULT '',
    owner_id uuid NOT NULL,
    team_id uuid,
    repository_url text,
    status text NOT NULL DEFAULT 'ACTIVE',
    configuration jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT projects_slug_is_unique UNIQUE (slug),
    CONSTRAINT projects_owner_exists FOREIGN KEY (owner_id) REFERENCES identity.users (id) ON DELETE RESTRICT,
    CONSTRAINT projects_team_exists FOREIGN KEY (team_id) REFERENCES identity.teams (id) ON DELETE SET NULL,
    CONSTRAINT projects_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT projects_slug_is_lower_case_words CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT projects_slug_has_at_most_63_characters CHECK (char_length(slug) <= 63),
    CONSTRAINT projects_description_has_at_most_10000_characters CHECK (char_length(description) <= 10000),
    CONSTRAINT projects_repository_is_a_url CHECK (
        repository_url ~ '^[a-z][a-z0-9+.-]*://[^[:space:]]+$'
        AND char_length(repository_url) <= 2000
    ),
    CONSTRAINT projects_status_is_known CHECK (status IN ('ACTIVE', 'ARCHIVED')),
    CONSTRAINT projects_configuration_is_an_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT projects_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object')
);
COMMENT ON TABLE devx.projects IS 'What users and their teams build';
COMMENT ON COLUMN devx.projects.team_id IS 'Whose members share it with its owner';

CREATE INDEX projects_owner_id ON devx.projects (owner_id, id);
CREATE INDEX projects_team_id ON devx.projects (team_id, id);
CREATE INDEX projects_name ON devx.projects (name, id);
CREATE INDEX projects_created_at ON devx.projects (created_at, id);
CREATE INDEX projects_updated_at ON devx.projects (updated_at, id);
CREATE INDEX projects_metadata ON devx.projects USING gin (metadata jsonb_path_ops);

CREATE TRIGGER make_slug
BEFORE INSERT ON devx.projects
FOR EACH ROW EXECUTE FUNCTION ops.make_slug('project');

CREATE TRIGGER touch
BEFORE UPDATE ON devx.projects
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE FUNCTION devx.has_all_secrets(environment_vars jsonb, environment_secrets jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT coalesce(array_agg(key ORDER BY key), '{}') = ARRAY(
        SELECT key
        FROM jsonb_object_keys(environment_secrets) AS key
        ORDER BY key
    )
    FROM jsonb_each(environment_vars)
    WHERE value -> 'secret' = 'true'
$$;
COMMENT ON FUNCTION devx.has_all_secrets(jsonb, jsonb) IS 'Whether there is a secret for each variable that is marked as one, and for no other';

CREATE TABLE devx.services (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    slug text NOT NULL,
    description text,
    template_id uuid,
    user_id uuid NOT NULL,
    project_id uuid,
    service_type text NOT NULL DEFAULT 'api',
    port integer,
    health_check_url text,
    health_check_enabled boolean NOT NULL DEFAULT false,
    status text NOT NULL DEFAULT 'inactive',
    deployment_config jsonb NOT NULL DEFAULT '{}',
    environment_vars jsonb NOT NULL DEFAULT '{}',
    environment_secrets jsonb NOT NULL DEFAULT '{}',
    resource_limits jsonb NOT NULL DEFAULT '{}',
    deployed_at timestamptz,
    health_status text,
    health_checked_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT services_slug_is_unique UNIQUE (slug),
    CONSTRAINT services_template_exists FOREIGN KEY (template_id) REFERENCES templates.templates (id) ON DELETE SET NULL,
    CONSTRAINT services_user_exists FOREIGN KEY (user_id) REFERENCES identity.users (id) ON DELETE RESTRICT,
    CONSTRAINT services_project_exists FOREIGN KEY (project_id) REFERENCES devx.projects (id) ON DELETE RESTRICT,
    CONSTRAINT services_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT services_slug_is_lower_case_words CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT services_slug_has_at_most_63_characters CHECK (char_length(slug) <= 63),
    CONSTRAINT services_description_has_at_most_10000_characters CHECK (char_length(description) <= 10000),
    CONSTRAINT services_type_is_a_lower_case_word CHECK (service_type ~ '^[a-z][a-z0-9_-]{0,49}$'),
    CONSTRAINT services_port_is_one CHECK (port BETWEEN 1 AND 65535),
    CONSTRAINT services_health_check_is_a_url CHECK (
        health_check_url ~ '^https?://[^[:space:]]+$'
        AND char_length(health_check_url) <= 500
    ),
    CONSTRAINT services_health_check_has_a_url CHECK (NOT health_check_enabled OR health_check_url IS NOT NULL),
    CONSTRAINT services_status_is_known CHECK (status IN ('inactive', 'deploying', 'active', 'failed', 'stopped')),
    CONSTRAINT services_was_deployed_when_it_is_active CHECK (status <> 'active' OR deployed_at IS NOT NULL),
    CONSTRAINT services_deployment_config_is_an_object CHECK (jsonb_typeof(deployment_config) = 'object'),
    CONSTRAINT services_environment_vars_is_an_object CHECK (jsonb_typeof(environment_vars) = 'object'),
    CONSTRAINT services_environment_secrets_is_an_object CHECK (jsonb_typeof(environment_secrets) = 'object'),
    CONSTRAINT services_secrets_have_values CHECK (devx.has_all_secrets(environment_vars, environment_secrets)),
    CONSTRAINT services_resource_limits_is_an_object CHECK (jsonb_typeof(resource_limits) = 'object'),
    CONSTRAINT services_health_status_is_known CHECK (health_status IN ('UP', 'DOWN'))
);
COMMENT ON TABLE devx.services IS 'What runs for a project';
COMMENT ON COLUMN devx.services.environment_vars IS 'Texts by name; {"secret": true} in the place of one that is a secret';
COMMENT ON COLUMN devx.services.environment_secrets IS 'The secrets among them, by name, encrypted';
COMMENT ON COLUMN devx.services.health_check_enabled IS 'Whether a job asks health_check_url how it is';
COMMENT ON COLUMN devx.services.deployed_at IS 'When it became active last';

CREATE INDEX services_template_id ON devx.services (template_id);
CREATE INDEX services_user_id ON devx.services (user_id, id);
CREATE INDEX services_project_id ON devx.services (project_id, id);
CREATE INDEX services_status ON devx.services (status, id);
CREATE INDEX services_health_status ON devx.services (health_status, id) WHERE health_status IS NOT NULL;
CREATE INDEX services_name ON devx.services (name, id);
CREATE INDEX services_created_at ON devx.services (created_at, id);
CREATE INDEX services_updated_at ON devx.services (updated_at, id);
CREATE INDEX services_health_checks ON devx.services (health_checked_at NULLS FIRST) WHERE health_check_enabled;

CREATE TRIGGER make_slug
BEFORE INSERT ON devx.services
FOR EACH ROW EXECUTE FUNCTION ops.make_slug('service');

-- How a service is, is no new version of it.
CREATE TRIGGER touch
BEFORE UPDATE OF
    id,
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
    environment_secrets,
    resource_limits,
    deployed_at,
    version,
    created_at,
    updated_at
ON devx.services
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE FUNCTION devx.note_deployment()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.deployed_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION devx.note_deployment() IS 'BEFORE UPDATE: a service that becomes active was deployed now';

CREATE TRIGGER note_deployment
BEFORE UPDATE ON devx.services
FOR EACH ROW
WHEN (NEW.status = 'active' AND OLD.status <> 'active')
EXECUTE FUNCTION devx.note_deployment();

CREATE FUNCTION devx.keep_to_the_life_cycle()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    was constant text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END;
BEGIN
    RAISE check_violation USING
        MESSAGE = CASE
            WHEN was IS NULL THEN 'a service begins as inactive'
            ELSE format('a service does not go from %s to %s', was, NEW.status)
        END,
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME,
        CONSTRAINT = TG_NAME;
END
$$;
COMMENT ON FUNCTION devx.keep_to_the_life_cycle() IS 'AFTER INSERT OR UPDATE: refuses a step that no service takes';

CREATE CONSTRAINT TRIGGER services_begin_as_inactive
AFTER INSERT ON devx.services
FOR EACH ROW
WHEN (NEW.status <> 'inactive')
EXECUTE FUNCTION devx.keep_to_the_life_cycle();

CREATE CONSTRAINT TRIGGER services_go_through_their_life_cycle
AFTER UPDATE ON devx.services
FOR EACH ROW
WHEN (
    OLD.status <> NEW.status
    AND (OLD.status, NEW.status) NOT IN (
        ('inactive', 'deploying'),
        ('deploying', 'active'),
        ('deploying', 'failed'),
        ('deploying', 'stopped'),
        ('active', 'deploying'),
        ('active', 'failed'),
        ('active', 'stopped'),
        ('failed', 'deploying'),
        ('failed', 'stopped'),
        ('stopped', 'deploying'),
        ('stopped', 'inactive')
    )
)
EXECUTE FUNCTION devx.keep_to_the_life_cycle();

CREATE TABLE devx.health_checks (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    service_id uuid NOT NULL,
    status text NOT NULL,
    response_status integer,
    response_ms integer,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT health_checks_service_exists FOREIGN KEY (service_id) REFERENCES devx.services (id) ON DELETE CASCADE,
    CONSTRAINT health_checks_status_is_known CHECK (status IN ('UP', 'DOWN')),
    CONSTRAINT health_checks_response_status_is_http CHECK (response_status BETWEEN 100 AND 599),
    CONSTRAINT health_checks_response_ms_is_not_negative CHECK (response_ms >= 0),
    CONSTRAINT health_checks_error_has_at_most_500_characters CHECK (char_length(error) <= 500)
);
COMMENT ON TABLE devx.health_checks IS 'How services were when they were asked';

CREATE INDEX health_checks_service_id ON devx.health_checks (service_id, id);
CREATE INDEX health_checks_created_at ON devx.health_checks (created_at, id);

CREATE TABLE devx.generation_history (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    user_id uuid NOT NULL,
    template_id uuid,
    project_id uuid,
    service_id uuid,
    generation_type text NOT NULL DEFAULT 'project',
    template_version text,
    template_checksum text,
    input_params jsonb NOT NULL DEFAULT '{}',
    output_files jsonb NOT NULL DEFAULT '[]',
    generation_status text NOT NULL DEFAULT 'pending',
    error_message text,
    execution_time_ms integer,
    attempts integer NOT NULL DEFAULT 0,
    attempts_max integer NOT NULL DEFAULT 3,
    due_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    lease_holder text,
    fence bigint NOT NULL DEFAULT 0,
    started_at timestamptz,
    completed_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT generation_history_user_exists FOREIGN KEY (user_id) REFERENCES identity.users (id) ON DELETE RESTRICT,
    CONSTRAINT generation_history_template_exists FOREIGN KEY (template_id) REFERENCES templates.templates (id)
        ON DELETE SET NULL,
    CONSTRAINT generation_history_template_version_exists FOREIGN KEY (template_id, template_version)
        REFERENCES templates.template_versions (template_id, template_version) ON DELETE RESTRICT,
    CONSTRAINT generation_history_project_exists FOREIGN KEY (project_id) REFERENCES devx.projects (id) ON DELETE CASCADE,
    CONSTRAINT generation_history_service_exists FOREIGN KEY (service_id) REFERENCES devx.services (id) ON DELETE SET NULL,
    CONSTRAINT generation_history_type_is_a_lower_case_word CHECK (generation_type ~ '^[a-z][a-z0-9_-]{0,49}$'),
    CONSTRAINT generation_history_input_params_is_an_object CHECK (jsonb_typeof(input_params) = 'object'),
    CONSTRAINT generation_history_output_files_is_a_list CHECK (jsonb_typeof(output_files) = 'array'),
    CONSTRAINT generation_history_status_is_known CHECK (
        generation_status IN ('pending', 'running', 'completed', 'failed')
    ),
    CONSTRAINT generation_history_runs_under_a_lease CHECK (
        (generation_status = 'running') = (lease_until IS NOT NULL)
        AND (lease_until IS NULL) = (lease_holder IS NULL)
    ),
    CONSTRAINT generation_history_ends_when_it_is_over CHECK (
        (generation_status IN ('completed', 'failed')) = (completed_at IS NOT NULL)
    ),
    CONSTRAINT generation_history_error_has_at_most_10000_characters CHECK (char_length(error_message) <= 10000),
    CONSTRAINT generation_history_execution_time_is_not_negative CHECK (execution_time_ms >= 0),
    CONSTRAINT generation_history_attempts_is_not_negative CHECK (attempts >= 0),
    CONSTRAINT generation_history_is_tried_1_to_10_times CHECK (attempts_max BETWEEN 1 AND 10),
    CONSTRAINT generation_history_lease_holder_has_at_most_255_characters CHECK (char_length(lease_holder) <= 255)
);
COMMENT ON TABLE devx.generation_history IS 'What was, is, and is to be generated from templates';
COMMENT ON COLUMN devx.generation_history.template_checksum IS 'The checksum of the template''s version, as it was published';
COMMENT ON COLUMN devx.generation_history.due_at IS 'When it may be claimed: later than now after a failure';
COMMENT ON COLUMN devx.generation_history.fence IS
'Counted up by each claim: whoever comes with a smaller one has lost the lease';

CREATE INDEX generation_history_status ON devx.generation_history (generation_status, id);
CREATE INDEX generation_history_user_id ON devx.generation_history (user_id, id);
CREATE INDEX generation_history_template_id ON devx.generation_history (template_id, template_version);
CREATE INDEX generation_history_project_id ON devx.generation_history (project_id, id);
CREATE INDEX generation_history_service_id ON devx.generation_history (service_id) WHERE service_id IS NOT NULL;
-- What a claim looks for: what is due, oldest first, and what somebody has let go of.
CREATE INDEX generation_history_due ON devx.generation_history (due_at, id) WHERE generation_status = 'pending';
CREATE INDEX generation_history_leases ON devx.generation_history (lease_until) WHERE generation_status = 'running';
-- What a project stands on, the newest first.
CREATE INDEX generation_history_completed ON devx.generation_history (project_id, completed_at, id)
WHERE generation_status = 'completed' AND template_version IS NOT NULL;

-- A heartbeat is no new version.
CREATE TRIGGER touch
BEFORE UPDATE OF
    generation_status,
    output_files,
    error_message,
    project_id,
    service_id,
    due_at,
    version
ON devx.generation_history
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE devx.generation_events (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    generation_id uuid NOT NULL,
    type text NOT NULL,
    attempt integer NOT NULL,
    worker text,
    message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT generation_events_generation_exists FOREIGN KEY (generation_id) REFERENCES devx.generation_history (id)
        ON DELETE CASCADE,
    CONSTRAINT generation_events_type_is_known CHECK (
        type IN ('created', 'claimed', 'lost', 'retrying', 'completed', 'failed')
    )
);
COMMENT ON TABLE devx.generation_events IS 'What happened to a generation, step by step';

CREATE INDEX generation_events_generation_id ON devx.generation_events (generation_id, id);

CREATE FUNCTION devx.record_generation()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.generation_status = 'running' AND NEW.fence > OLD.fence THEN
        INSERT INTO devx.generation_events (generation_id, type, attempt, worker)
        VALUES (NEW.id, 'lost', OLD.attempts, OLD.lease_holder);
    END IF;
    INSERT INTO devx.generation_events (generation_id, type, attempt, worker, message)
    VALUES (
        NEW.id,
        CASE
            WHEN TG_OP = 'INSERT' THEN 'created'
            WHEN NEW.generation_status = 'running' THEN 'claimed'
            WHEN NEW.generation_status = 'pending' THEN 'retrying'
            ELSE NEW.generation_status
        END,
        NEW.attempts,
        CASE WHEN TG_OP = 'UPDATE' THEN coalesce(NEW.lease_holder, OLD.lease_holder) END,
        NEW.error_message
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION devx.record_generation() IS 'AFTER INSERT OR UPDATE: a row in generation_events for each step';

CREATE TRIGGER record_start
AFTER INSERT ON devx.generation_history
FOR EACH ROW EXECUTE FUNCTION devx.record_generation();

CREATE TRIGGER record_step
AFTER UPDATE ON devx.generation_history
FOR EACH ROW
WHEN (OLD.generation_status <> NEW.generation_status OR OLD.fence <> NEW.fence)
EXECUTE FUNCTION devx.record_generation();

SELECT telemetry.audit('devx.projects');
SELECT telemetry.audit(
    'devx.services',
    secret => '{environment_secrets}',
    noise => '{health_status,health_checked_at}'
);

-- What happened, in words, by project. Beside the audit, which knows rows but not to which project they belong.

CREATE TABLE devx.activity (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    user_id uuid,
    project_id uuid,
    team_id uuid,
    verb text NOT NULL,
    resource_type text NOT NULL,
    resource_id uuid NOT NULL,
    summary text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE devx.activity IS 'What happened to projects, their services and generations, in words';
COMMENT ON COLUMN devx.activity.user_id IS 'Who did it; without references: it stays known when they, or it, are gone';

CREATE INDEX activity_resource_id ON devx.activity (resource_id, id);
CREATE INDEX activity_user_id ON devx.activity (user_id, id);
CREATE INDEX activity_project_id ON devx.activity (project_id, id);
CREATE INDEX activity_team_id ON devx.activity (team_id, id) WHERE team_id IS NOT NULL;
CREATE INDEX activity_created_at ON devx.activity (created_at, id);

CREATE FUNCTION devx.record_activity()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    actor constant uuid := (telemetry.actor()).user_id;
    -- Team mates read it: by the name, and never by the address.
    who constant text := coalesce((SELECT nullif(name, '') FROM identity.users WHERE id = actor), 'Somebody');
    before constant jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
    after constant jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
    -- As it is now, or was last.
    about constant jsonb := before || after;
    noise constant text[] := '{version,updated_at,environment_secrets,health_status,health_checked_at,fence,lease_until,lease_holder,due_at}';
    changed text;
    verb text;
    project record;
    words text;
BEGIN
    SELECT string_agg(key, ', ' ORDER BY key)
    INTO changed
    FROM jsonb_each(after - noise) AS new
    WHERE TG_OP = 'UPDATE'
        AND before -> key IS DISTINCT FROM value;
    IF TG_OP = 'UPDATE' AND changed IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'projects' THEN
        SELECT (about ->> 'id')::uuid AS id, about ->> 'name' AS name, (about ->> 'team_id')::uuid AS team_id INTO project;
    ELSE
        SELECT p.id, p.name, p.team_id INTO project FROM devx.projects AS p WHERE p.id = (about ->> 'project_id')::uuid;
    END IF;
    verb := CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'DELETE' THEN 'deleted' ELSE 'changed' END;
    IF TG_TABLE_NAME = 'generation_history' THEN
        verb := CASE WHEN TG_OP = 'UPDATE' THEN about ->> 'generation_status' ELSE verb END;
        words := CASE verb
            WHEN 'created' THEN format('%s asked for the generation of a %s', who, about ->> 'generation_type')
            WHEN 'pending' THEN format('The generation of a %s is tried again', about ->> 'generation_type')
            WHEN 'running' THEN format('The generation of a %s has begun', about ->> 'generation_type')
            WHEN 'deleted' THEN format('%s deleted the generation of a %s', who, about ->> 'generation_type')
            ELSE format('The generation of a %s has %s', about ->> 'generation_type', verb)
        END || coalesce(' for ' || project.name, '');
    ELSIF TG_TABLE_NAME = 'services' THEN
        words := format('%s %s the service %s', who, verb, about ->> 'name') || coalesce(' in ' || project.name, '');
        IF before ->> 'status' <> after ->> 'status' THEN
            verb := after ->> 'status';
            words := format('%s: the service %s is %s', who, about ->> 'name', verb) || coalesce(' in ' || project.name, '');
        ELSIF TG_OP = 'UPDATE' THEN
            words := words || ': ' || changed;
        END IF;
    ELSE
        words := format('%s %s the project %s', who, verb, about ->> 'name')
            || CASE WHEN TG_OP = 'UPDATE' THEN ': ' || changed ELSE '' END;
    END IF;
    INSERT INTO devx.activity (user_id, project_id, team_id, verb, resource_type, resource_id, summary)
    VALUES (actor, project.id, project.team_id, verb, TG_TABLE_NAME, (about ->> 'id')::uuid, left(words, 2000));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION devx.record_activity() IS 'AFTER INSERT, UPDATE OR DELETE: a row in activity, in words';

CREATE TRIGGER record_activity
AFTER INSERT OR UPDATE OR DELETE ON devx.projects
FOR EACH ROW EXECUTE FUNCTION devx.record_activity();

CREATE TRIGGER record_activity
AFTER INSERT OR UPDATE OR DELETE ON devx.services
FOR EACH ROW EXECUTE FUNCTION devx.record_activity();

CREATE TRIGGER record_activity
AFTER INSERT OR DELETE ON devx.generation_history
FOR EACH ROW EXECUTE FUNCTION devx.record_activity();

CREATE TRIGGER record_steps
AFTER UPDATE ON devx.generation_history
FOR EACH ROW
WHEN (OLD.generation_status <> NEW.generation_status)
EXECUTE FUNCTION devx.record_activity();

CREATE FUNCTION devx.note_reveal(service uuid)
RETURNS void
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.note_reveal('services', service);

    INSERT INTO devx.activity (user_id, project_id, team_id, verb, resource_type, resource_id, summary)
    SELECT
        actor.user_id,
        s.project_id,
        p.team_id,
        'revealed',
        'services',
        s.id,
        left(
            format('%s read the secrets of the service %s', coalesce(nullif(u.name, ''), 'Somebody'), s.name)
            || coalesce(' in ' || p.name, ''),
            2000
        )
    FROM telemetry.actor() AS actor
    JOIN devx.services AS s ON s.id = service
    LEFT JOIN devx.projects AS p ON p.id = s.project_id
    LEFT JOIN identity.users AS u ON u.id = actor.user_id
$$;
COMMENT ON FUNCTION devx.note_reveal(uuid) IS 'A row in the audit and one in activity: somebody has read the secrets of a service';

-- Who sees what. These run with the rights of the tables' owner, as those of identity do.

CREATE FUNCTION devx.current_working_team_ids()
RETURNS SETOF uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT team_id
    FROM identity.team_members
    WHERE user_id = identity.current_user_id()
        AND role IN ('OWNER', 'MEMBER')
        AND accepted_at IS NOT NULL
$$;
COMMENT ON FUNCTION devx.current_working_team_ids() IS 'The teams in which that user does more than look on';

-- What is given to a team is the team's: whoever leaves it, leaves it there, be it once their own.

CREATE FUNCTION devx.current_project_ids()
RETURNS SETOF uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT id
    FROM devx.projects
    WHERE owner_id = identity.current_user_id()
        AND (team_id IS NULL OR team_id IN (SELECT identity.current_team_ids()))
    UNION ALL
    SELECT id
    FROM devx.projects
    WHERE team_id IN (SELECT identity.current_team_ids())
$$;
COMMENT ON FUNCTION devx.current_project_ids() IS
'The projects that are that user''s or their teams''';

CREATE FUNCTION devx.current_working_project_ids()
RETURNS SETOF uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT id
    FROM devx.projects
    WHERE owner_id = identity.current_user_id()
        AND (team_id IS NULL OR team_id IN (SELECT identity.current_team_ids()))
    UNION ALL
    SELECT id
    FROM devx.projects
    WHERE team_id IN (SELECT devx.current_working_team_ids())
$$;
COMMENT ON FUNCTION devx.current_working_project_ids() IS
'Those that the user may change';

CREATE FUNCTION devx.current_owned_project_ids()
RETURNS SETOF uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT id
    FROM devx.projects
    WHERE owner_id = identity.current_user_id()
        AND (team_id IS NULL OR team_id IN (SELECT identity.current_team_ids()))
    UNION ALL
    SELECT id
    FROM devx.projects
    WHERE team_id IN (SELECT identity.current_owned_team_ids())
$$;
COMMENT ON FUNCTION devx.current_owned_project_ids() IS
'Those that the user may give away and remove: their own, and those of teams that they own';

CREATE FUNCTION devx.protect_ownership()
RETURNS trigger
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    project constant uuid := to_jsonb(OLD) ->> CASE TG_TABLE_NAME WHEN 'projects' THEN 'id' ELSE 'project_id' END;
BEGIN
    IF current_user = 'authenticated_users'
        AND NOT identity.current_user_is_admin()
        AND project NOT IN (SELECT devx.current_owned_project_ids()) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'only an owner of the project, or of its team, moves what belongs to it',
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION devx.protect_ownership() IS 'BEFORE UPDATE: members work on what is their team''s, and do not take it';

CREATE TRIGGER protect_ownership
BEFORE UPDATE ON devx.projects
FOR EACH ROW
WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id OR OLD.team_id IS DISTINCT FROM NEW.team_id)
EXECUTE FUNCTION devx.protect_ownership();

CREATE TRIGGER protect_ownership
BEFORE UPDATE ON devx.services
FOR EACH ROW
WHEN (
    OLD.project_id IS NOT NULL
    AND (OLD.user_id IS DISTINCT FROM NEW.user_id OR OLD.project_id IS DISTINCT FROM NEW.project_id)
)
EXECUTE FUNCTION devx.protect_ownership();

ALTER TABLE devx.projects ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON devx.projects TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON devx.projects FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY owners_and_teams_see_their_projects ON devx.projects FOR SELECT TO authenticated_users
USING (
    (owner_id = (SELECT identity.current_user_id()) AND team_id IS NULL)
    OR (SELECT identity.current_user_is_admin())
    OR team_id IN (SELECT identity.current_team_ids())
);

CREATE POLICY users_add_projects_of_their_own ON devx.projects FOR INSERT TO authenticated_users
WITH CHECK (
    (SELECT identity.current_user_is_admin())
    OR (
        owner_id = (SELECT identity.current_user_id())
        AND (team_id IS NULL OR team_id IN (SELECT devx.current_working_team_ids()))
    )
);

CREATE POLICY owners_and_teams_change_their_projects ON devx.projects FOR UPDATE TO authenticated_users
USING (
    (
        owner_id = (SELECT identity.current_user_id())
        AND (team_id IS NULL OR team_id IN (SELECT identity.current_team_ids()))
    )
    OR (SELECT identity.current_user_is_admin())
    OR team_id IN (SELECT devx.current_working_team_ids())
)
-- What is given to a team, is given to one's own.
WITH CHECK (
    (SELECT identity.current_user_is_admin())
    OR team_id IN (SELECT devx.current_working_team_ids())
    OR (owner_id = (SELECT identity.current_user_id()) AND team_id IS NULL)
);

CREATE POLICY owners_remove_their_projects ON devx.projects FOR DELETE TO authenticated_users
USING (
    (
        owner_id = (SELECT identity.current_user_id())
        AND (team_id IS NULL OR team_id IN (SELECT identity.current_team_ids()))
    )
    OR (SELECT identity.current_user_is_admin())
    OR team_id IN (SELECT identity.current_owned_team_ids())
);

ALTER TABLE devx.services ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON devx.services TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON devx.services FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_services_of_their_projects ON devx.services FOR SELECT TO authenticated_users
USING (
    (user_id = (SELECT identity.current_user_id()) AND project_id IS NULL)
    OR (SELECT identity.current_user_is_admin())
    OR project_id IN (SELECT devx.current_project_ids())
);

CREATE POLICY users_change_services_of_their_projects ON devx.services TO authenticated_users
USING (
    (user_id = (SELECT identity.current_user_id()) AND project_id IS NULL)
    OR (SELECT identity.current_user_is_admin())
    OR project_id IN (SELECT devx.current_working_project_ids())
)
WITH CHECK (
    (SELECT identity.current_user_is_admin())
    OR project_id IN (SELECT devx.current_working_project_ids())
    OR (user_id = (SELECT identity.current_user_id()) AND project_id IS NULL)
);

ALTER TABLE devx.health_checks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON devx.health_checks TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON devx.health_checks FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_those_of_services_they_see ON devx.health_checks FOR SELECT TO authenticated_users
USING (EXISTS (SELECT FROM devx.services AS s WHERE s.id = service_id));

ALTER TABLE devx.generation_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON devx.generation_history TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON devx.generation_history FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_generations_of_their_projects ON devx.generation_history FOR SELECT TO authenticated_users
USING (
    (user_id = (SELECT identity.current_user_id()) AND project_id IS NULL)
    OR (SELECT identity.current_user_is_admin())
    OR project_id IN (SELECT devx.current_project_ids())
);

CREATE POLICY users_ask_for_generations_for_their_projects ON devx.generation_history FOR INSERT TO authenticated_users
WITH CHECK (
    (SELECT identity.current_user_is_admin())
    OR (
        user_id = (SELECT identity.current_user_id())
        AND (project_id IS NULL OR project_id IN (SELECT devx.current_working_project_ids()))
        AND (service_id IS NULL OR EXISTS (SELECT FROM devx.services AS s WHERE s.id = service_id))
    )
);

ALTER TABLE devx.generation_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON devx.generation_events TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON devx.generation_events FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_those_of_generations_they_see ON devx.generation_events FOR SELECT TO authenticated_users
USING (EXISTS (SELECT FROM devx.generation_history AS g WHERE g.id = generation_id));

ALTER TABLE devx.activity ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON devx.activity TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON devx.activity FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_what_they_did_and_what_happened_to_their_projects ON devx.activity
FOR SELECT TO authenticated_users
USING (
    user_id = (SELECT identity.current_user_id())
    OR (SELECT identity.current_user_is_admin())
    OR project_id IN (SELECT devx.current_project_ids())
);

-- Rights. Nobody but the server reads a secret, not even an encrypted one.

GRANT USAGE ON SCHEMA devx TO authenticated_users, mainstay_readonly;

GRANT SELECT
ON devx.projects,
    devx.health_checks,
    devx.generation_history,
    devx.generation_events,
    devx.activity
TO mainstay_readonly;

GRANT SELECT (
    id,
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
    resource_limits,
    deployed_at,
    health_status,
    health_checked_at,
    version,
    created_at,
    updated_at
) ON devx.services TO mainstay_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON devx.projects, devx.services TO authenticated_users;
GRANT SELECT, INSERT ON devx.generation_history TO authenticated_users;
GRANT SELECT ON devx.health_checks, devx.generation_events, devx.activity TO authenticated_users;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA devx FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    devx.has_all_secrets(jsonb, jsonb),
    devx.note_reveal(uuid),
    devx.current_working_team_ids(),
    devx.current_project_ids(),
    devx.current_working_project_ids(),
    devx.current_owned_project_ids()
TO authenticated_users;
