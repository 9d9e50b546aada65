-- Migration: Ops
-- Version: 000
-- Description: What all other schemas stand on: identifiers, actors, versions of rows, roles, and the service's own state
-- Created: 2026-11-21T00:00:00Z

CREATE SCHEMA ops;
COMMENT ON SCHEMA ops IS 'What all other schemas stand on, and the state of the service itself';

-- Roles belong to the whole cluster: another database may have made them already, or be making them now.
DO $$
DECLARE
    wanted text;
    -- From PostgreSQL 16 on, who has made a role may give it away, and not yet take it on.
    is_told constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['authenticated_users', 'mainstay_readonly'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
            -- Whoever serves requests takes on the first for rows that belong to one user, and gives the second what
            -- answers administrators' questions.
            IF NOT pg_has_role(current_user, wanted, CASE WHEN is_told THEN 'SET' ELSE 'MEMBER' END) THEN
                EXECUTE format('GRANT %I TO CURRENT_USER%s', wanted, CASE WHEN is_told THEN ' WITH SET TRUE' ELSE '' END);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE insufficient_privilege USING
                    MESSAGE = format('the role %s is missing or not granted, and %s may not change that', wanted, current_user),
                    HINT = format(
                        'As an administrator, once for all databases: '
                        'CREATE ROLE authenticated_users NOLOGIN; CREATE ROLE mainstay_readonly NOLOGIN; '
                        'and then: GRANT authenticated_users, mainstay_readonly TO %I;',
                        current_user
                    );
        END;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA ops TO authenticated_users, mainstay_readonly;

-- Version 7 of RFC 9562: milliseconds since 1970 in the first 48 bits, and their fraction in the next 12 that are free,
-- so that rows made one after the other lie side by side in the index. One expression, which PostgreSQL puts in the place
-- of the call: a tenth of what the call would cost.
CREATE FUNCTION ops.uuid_v7()
RETURNS uuid
LANGUAGE sql
VOLATILE
PARALLEL SAFE
AS $$
    SELECT (
        left(
            overlay(
                -- Milliseconds with 16 bits of fraction; the version goes between the two, and 12 bits are left.
                encode(int8send((date_part('epoch', clock_timestamp()) * 65536000)::bigint), 'hex')
                PLACING '7' FROM 13 FOR 0
            ),
            16
        )
        || right(gen_random_uuid()::text, 17)
    )::uuid
$$;
COMMENT ON FUNCTION ops.uuid_v7() IS 'A new identifier; later ones sort after earlier ones';

-- The one row lets a write name its actor in the same statement: INSERT … SELECT … FROM ops.actor($1), …
CREATE FUNCTION ops.actor(context jsonb)
RETURNS text
LANGUAGE sql
VOLATILE
AS $$
    SELECT set_config('app.context', coalesce(context::text, ''), true)
$$;
COMMENT ON FUNCTION ops.actor(jsonb) IS 'Says for the rest of the transaction who acts; the audit triggers read it';

-- An index on this finds what has a text somewhere in it: all three-letter pieces of the one are among those of the other.
-- PostgreSQL's own pg_trgm does the same, but it is an extension, which not everybody may install.
CREATE FUNCTION ops.trigrams(value text)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
AS $$
    SELECT coalesce(array_agg(DISTINCT substr(folded, place, 3)), '{}')
    FROM lower(value) AS folded,
        generate_series(1, char_length(folded) - 2) AS place
$$;
COMMENT ON FUNCTION ops.trigrams(text) IS 'Every three letters in a row of a text, in lower case; none of a shorter one';

CREATE FUNCTION ops.touch()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.updated_at := now();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION ops.touch() IS 'BEFORE UPDATE: sets updated_at and counts version up';

-- An administrator's question is answered in here, and nowhere else: within a function that runs with the rights of another,
-- PostgreSQL lets nobody change who they are, however deep in the question it is tried. The role may read no secret, may
-- write nothing and is a member of nothing.
CREATE FUNCTION ops.answer(question text)
RETURNS SETOF text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
AS $$
BEGIN
    RETURN QUERY EXECUTE question;
END
$$;
COMMENT ON FUNCTION ops.answer(text) IS 'The rows of a question, asked as mainstay_readonly, with one text each';
REVOKE EXECUTE ON FUNCTION ops.answer(text) FROM PUBLIC;

-- Tables are found by their names alone, in the admin query and in psql: new sessions see it. public comes first, so that
-- whatever is created without a schema is created there, as everywhere.
DO $$
DECLARE
    path constant text := 'public, identity, telemetry, gateway, templates, devx, automation, cicd, entities, app, ops';
BEGIN
    EXECUTE format('ALTER FUNCTION ops.answer(text) SET search_path = %s', path);
    BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = "$user", %s', current_database(), path);
    EXCEPTION
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'only the owner of the database can set its search_path: names need their schema in psql';
    END;
END
$$;

GRANT CREATE ON SCHEMA ops TO mainstay_readonly;
ALTER FUNCTION ops.answer(text) OWNER TO mainstay_readonly;
REVOKE CREATE ON SCHEMA ops FROM mainstay_readonly;

DO $$
DECLARE
    service constant text := current_user;
BEGIN
    SET LOCAL ROLE mainstay_readonly;
    EXECUTE format('GRANT EXECUTE ON FUNCTION ops.answer(text) TO %I', service);
    RESET ROLE;
END
$$;

CREATE TABLE ops.settings (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    key text NOT NULL,
    value jsonb,
    value_sealed text,
    value_key_id text,
    description text NOT NULL DEFAULT '',
    secret boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT settings_key_is_unique UNIQUE (key),
    CONSTRAINT settings_key_has_1_to_255_characters CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT settings_secret_is_sealed CHECK (
        (value IS NULL) = secret
        AND (value_sealed IS NOT NULL) = secret
        AND (value_key_id IS NOT NULL) = secret
    )
);
COMMENT ON TABLE ops.settings IS 'Settings that are changed while the service runs';
COMMENT ON COLUMN ops.settings.secret IS 'Whether the value is sealed, and kept out of replies, logs and the audit';
COMMENT ON COLUMN ops.settings.value_sealed IS 'The value as JSON, sealed by the key value_key_id, where it is secret';

-- That a secret is sealed again, by another key, changes nothing about it.
CREATE TRIGGER touch
BEFORE UPDATE OF
    id,
    key,
    value,
    description,
    secret,
    version,
    created_at,
    updated_at
ON ops.settings
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE ops.idempotency_keys (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    credential_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response_status smallint,
    response_headers jsonb,
    response_body text,
    expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_credential_and_key_are_unique UNIQUE (credential_id, key),
    CONSTRAINT idempotency_keys_key_has_1_to_255_characters CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_request_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
    CONSTRAINT idempotency_keys_response_status_is_http CHECK (response_status BETWEEN 100 AND 599)
);
COMMENT ON TABLE ops.idempotency_keys IS 'The first reply to a POST with an Idempotency-Key, given again to the same request';

COMMENT ON COLUMN ops.idempotency_keys.credential_id IS 'The API key or the session that the request came with; nobody else is given the reply';

CREATE INDEX idempotency_keys_expires_at ON ops.idempotency_keys (expires_at);

CREATE TRIGGER touch
BEFORE UPDATE ON ops.idempotency_keys
FOR EACH ROW EXECUTE FUNCTION ops.touch();

-- One row for each kind of background work. Whoever holds the lease does it; the fence, counted up with each lease, lets
-- a write of somebody who has lost it be refused.
CREATE TABLE ops.jobs (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    next_run_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    lease_holder text,
    fence bigint NOT NULL DEFAULT 0,
    last_run_at timestamptz,
    last_duration_ms bigint,
    last_status text,
    last_result jsonb,
    last_error text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT jobs_name_is_unique UNIQUE (name),
    CONSTRAINT jobs_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT jobs_lease_has_a_holder CHECK ((lease_until IS NULL) = (lease_holder IS NULL)),
    CONSTRAINT jobs_last_status_is_known CHECK (last_status IN ('SUCCEEDED', 'FAILED')),
    CONSTRAINT jobs_last_duration_is_not_negative CHECK (last_duration_ms >= 0)
);
COMMENT ON TABLE ops.jobs IS 'Background work: what ran when, with what result, and what runs next';

CREATE TRIGGER touch
BEFORE UPDATE ON ops.jobs
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE ops.maintenance_runs (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    task text NOT NULL,
    status text NOT NULL DEFAULT 'RUNNING',
    requested_by uuid,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    result jsonb,
    error text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT maintenance_runs_task_has_1_to_255_characters CHECK (char_length(task) BETWEEN 1 AND 255),
    CONSTRAINT maintenance_runs_status_is_known CHECK (status IN ('RUNNING', 'SUCCEEDED', 'FAILED')),
    CONSTRAINT maintenance_runs_ends_when_it_no_longer_runs CHECK ((status = 'RUNNING') = (finished_at IS NULL)),
    CONSTRAINT maintenance_runs_ends_after_its_start CHECK (finished_at >= started_at)
);
COMMENT ON TABLE ops.maintenance_runs IS 'Maintenance that somebody asked for, or that a job did';

CREATE INDEX maintenance_runs_started_at ON ops.maintenance_runs (started_at DESC);

CREATE TRIGGER touch
BEFORE UPDATE ON ops.maintenance_runs
FOR EACH ROW EXECUTE FUNCTION ops.touch();

-- Neither settings nor replies: both may have secrets in them.
GRANT SELECT ON ops.jobs, ops.maintenance_runs TO mainstay_readonly;
