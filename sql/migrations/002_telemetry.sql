-- Migration: Telemetry
-- Version: 002
-- Description: Who changed what, who called what, how the platform feels, and what its users are told
-- Created: 2026-11-21T00:00:00Z

CREATE SCHEMA telemetry;
COMMENT ON SCHEMA telemetry IS 'Who changed what, who called what, how the platform feels, and what its users are told';

-- Logs are written once and never changed: their rows have neither version nor updated_at.

-- Without references: what somebody did stays known when they, or what they did it to, are gone.
CREATE TABLE telemetry.audit_logs (
    id uuid NOT NULL DEFAULT ops.uuid_v7(),
    user_id uuid,
    api_key_id uuid,
    request_id text,
    action text NOT NULL,
    resource_type text NOT NULL,
    resource_id uuid,
    changes jsonb,
    ip_address inet,
    user_agent text,
    database_user text NOT NULL DEFAULT session_user,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE telemetry.audit_logs IS 'What was changed, and by whom; a partition for each month';
COMMENT ON COLUMN telemetry.audit_logs.action IS 'The table and what was done: teams.update';
COMMENT ON COLUMN telemetry.audit_logs.changes IS
'{"column": [before, after]} for what has changed; secrets as "[redacted]"';
COMMENT ON COLUMN telemetry.audit_logs.database_user IS
'Who was connected: it tells what the server did from what was done by hand';

-- Ids are made in the order of time, so each of these gives the newest first, from every partition at once.
CREATE INDEX audit_logs_resource_type ON telemetry.audit_logs (resource_type, id);
CREATE INDEX audit_logs_resource_id ON telemetry.audit_logs (resource_id, id);
CREATE INDEX audit_logs_user_id ON telemetry.audit_logs (user_id, id);
CREATE INDEX audit_logs_api_key_id ON telemetry.audit_logs (api_key_id, id) WHERE api_key_id IS NOT NULL;
CREATE INDEX audit_logs_request_id ON telemetry.audit_logs (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX audit_logs_action ON telemetry.audit_logs (action, id);
CREATE INDEX audit_logs_created_at ON telemetry.audit_logs (created_at, id);

CREATE TABLE telemetry.api_access_logs (
    id uuid NOT NULL DEFAULT ops.uuid_v7(),
    user_id uuid,
    api_key_id uuid,
    request_id text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    status integer NOT NULL,
    duration_ms double precision NOT NULL,
    bytes bigint NOT NULL,
    ip_address inet,
    user_agent text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT api_access_logs_pkey PRIMARY KEY (id, created_at),
    CONSTRAINT api_access_logs_status_is_http CHECK (status BETWEEN 100 AND 599)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE telemetry.api_access_logs IS 'Requests and what became of them; a partition for each day';
COMMENT ON COLUMN telemetry.api_access_logs.path IS 'The path of the endpoint: /api/teams/{id}; empty if there is none';

CREATE INDEX api_access_logs_user_id ON telemetry.api_access_logs (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX api_access_logs_api_key_id ON telemetry.api_access_logs (api_key_id, id) WHERE api_key_id IS NOT NULL;
CREATE INDEX api_access_logs_request_id ON telemetry.api_access_logs (request_id);
CREATE INDEX api_access_logs_status ON telemetry.api_access_logs (status, id);
CREATE INDEX api_access_logs_created_at ON telemetry.api_access_logs (created_at, id);

CREATE TABLE telemetry.system_metrics (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    value double precision NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    recorded_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT system_metrics_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT system_metrics_value_is_a_number CHECK (value > '-Infinity' AND value < 'Infinity'),
    CONSTRAINT system_metrics_labels_is_an_object CHECK (jsonb_typeof(labels) = 'object')
);
COMMENT ON TABLE telemetry.system_metrics IS 'Figures of machines and services: memory, connections, queues';
COMMENT ON COLUMN telemetry.system_metrics.recorded_at IS 'When it was measured';

CREATE TABLE telemetry.performance_metrics (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    value double precision NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    recorded_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT performance_metrics_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT performance_metrics_value_is_a_number CHECK (value > '-Infinity' AND value < 'Infinity'),
    CONSTRAINT performance_metrics_labels_is_an_object CHECK (jsonb_typeof(labels) = 'object')
);
COMMENT ON TABLE telemetry.performance_metrics IS 'Figures of work: how much there was, and how long it took';
COMMENT ON COLUMN telemetry.performance_metrics.recorded_at IS 'When it was measured';

-- One figure over time is what charts ask for; a span of time, whatever the figure, is what retention asks for.
CREATE INDEX system_metrics_name ON telemetry.system_metrics (name, recorded_at, id);
CREATE INDEX system_metrics_recorded_at ON telemetry.system_metrics (recorded_at, id);
CREATE INDEX performance_metrics_name ON telemetry.performance_metrics (name, recorded_at, id);
CREATE INDEX performance_metrics_recorded_at ON telemetry.performance_metrics (recorded_at, id);

CREATE TABLE telemetry.notifications (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    user_id uuid NOT NULL,
    type text NOT NULL,
    title text NOT NULL,
    body text NOT NULL DEFAULT '',
    data jsonb NOT NULL DEFAULT '{}',
    read_at timestamptz,
    expires_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notifications_user_exists FOREIGN KEY (user_id) REFERENCES identity.users (id) ON DELETE CASCADE,
    CONSTRAINT notifications_type_is_lower_case_words CHECK (type ~ '^[a-z0-9_]+([.][a-z0-9_]+)*$'),
    CONSTRAINT notifications_type_has_at_most_255_characters CHECK (char_length(type) <= 255),
    CONSTRAINT notifications_title_has_1_to_255_characters CHECK (char_length(title) BETWEEN 1 AND 255),
    CONSTRAINT notifications_body_has_at_most_10000_characters CHECK (char_length(body) <= 10000),
    CONSTRAINT notifications_data_is_an_object CHECK (jsonb_typeof(data) = 'object')
);
COMMENT ON TABLE telemetry.notifications IS 'What users are told, until it expires';
COMMENT ON COLUMN telemetry.notifications.type IS 'What it is about, like the names of events: executions.failed';

CREATE INDEX notifications_user_id ON telemetry.notifications (user_id, id);
CREATE INDEX notifications_type ON telemetry.notifications (type, id);
CREATE INDEX notifications_unread ON telemetry.notifications (user_id, id) WHERE read_at IS NULL;
CREATE INDEX notifications_expires_at ON telemetry.notifications (expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER touch
BEFORE UPDATE ON telemetry.notifications
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE FUNCTION telemetry.tell_of_invitation()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.notifications (user_id, type, title, data)
    SELECT
        NEW.user_id,
        'team_members.invited',
        left('You are invited to the team ' || t.name, 255),
        jsonb_build_object('team_id', t.id, 'team_member_id', NEW.id)
    FROM identity.teams AS t
    WHERE t.id = NEW.team_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.tell_of_invitation() IS 'AFTER INSERT: whoever is invited to a team is told so';

CREATE TRIGGER tell_of_invitation
AFTER INSERT ON identity.team_members
FOR EACH ROW
WHEN (NEW.accepted_at IS NULL)
EXECUTE FUNCTION telemetry.tell_of_invitation();

-- Partitions. There is none for what fits no other: rows that nobody expects there would keep the right one from being
-- made. All are made well ahead instead, by a job. Days and months are those of UTC.

CREATE FUNCTION telemetry.make_partitions_of(parent regclass, unit text, units_ahead integer)
RETURNS SETOF text
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    step constant interval := ('1 ' || unit)::interval;
    form constant text := CASE unit WHEN 'month' THEN 'YYYY_MM' WHEN 'day' THEN 'YYYY_MM_DD' END;
    schema text;
    base text;
    child text;
    first timestamp;
BEGIN
    SELECT nspname, relname
    INTO STRICT schema, base
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid = parent;
    -- Whoever comes second waits, and finds the work done.
    PERFORM pg_advisory_xact_lock(hashtext('telemetry.make_partitions_of'), parent::oid::integer);
    -- The day before belongs to it: a clock may be set back, and a row may come late.
    first := date_trunc(unit, now() AT TIME ZONE 'UTC' - interval '1 day');
    WHILE first <= date_trunc(unit, now() AT TIME ZONE 'UTC') + units_ahead * step LOOP
        child := format('%I.%I', schema, base || '_' || to_char(first, form));
        IF to_regclass(child) IS NULL THEN
            -- Made by itself and then attached: unlike PARTITION OF, that lets others read and write meanwhile.
            EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
            EXECUTE format(
                'ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
                parent,
                child,
                first AT TIME ZONE 'UTC',
                (first + step) AT TIME ZONE 'UTC'
            );
            RETURN NEXT child;
        END IF;
        first := first + step;
    END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.make_partitions_of(regclass, text, integer) IS
'Makes the partitions that are missing, a month or a day each, from yesterday to so many ahead; answers their names';

CREATE FUNCTION telemetry.make_partitions(months_ahead integer DEFAULT 3, days_ahead integer DEFAULT 7)
RETURNS SETOF text
LANGUAGE sql
VOLATILE
AS $$
    SELECT telemetry.make_partitions_of('telemetry.audit_logs', 'month', months_ahead)
    UNION ALL
    SELECT telemetry.make_partitions_of('telemetry.api_access_logs', 'day', days_ahead)
$$;
COMMENT ON FUNCTION telemetry.make_partitions(integer, integer) IS
'Makes the partitions of the logs that are missing; answers their names';

-- Partitions are made well ahead by a job. Where it has not run for as long, whoever writes makes the one that is needed: nothing
-- may fail because of a log.
CREATE FUNCTION telemetry.make_today(parent regclass, unit text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass(parent::text || to_char(
        now() AT TIME ZONE 'UTC',
        CASE unit WHEN 'month' THEN '_YYYY_MM' WHEN 'day' THEN '_YYYY_MM_DD' END
    )) IS NULL THEN
        PERFORM telemetry.make_partitions_of(parent, unit, 1);
    END IF;
END
$$;
COMMENT ON FUNCTION telemetry.make_today(regclass, text) IS 'Makes the partition of a log for now, if it is missing';

-- More than the job will: nothing may fail because it has not run.
SELECT telemetry.make_partitions(12, 30);

-- The audit. Its triggers are those of statements: a change of a thousand rows is one call, which writes a thousand rows
-- with one statement.

-- Nothing that stands there may keep a change from being made, or from being recorded: what cannot be read is left out.
CREATE FUNCTION telemetry.actor(
    OUT user_id uuid,
    OUT api_key_id uuid,
    OUT request_id text,
    OUT ip_address inet,
    OUT user_agent text
)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    context jsonb;
BEGIN
    BEGIN
        context := nullif(current_setting('app.context', true), '');
        request_id := left(context ->> 'request_id', 255);
        user_agent := left(context ->> 'user_agent', 1024);
        user_id := context ->> 'user_id';
        api_key_id := context ->> 'api_key_id';
        ip_address := context ->> 'ip_address';
        RETURN;
    EXCEPTION
        WHEN OTHERS THEN
            NULL;
    END;
    -- Again, with what is wrong kept from spoiling what is right. Nobody is in a hurry here.
    BEGIN
        user_id := context ->> 'user_id';
    EXCEPTION
        WHEN OTHERS THEN
            NULL;
    END;
    BEGIN
        api_key_id := context ->> 'api_key_id';
    EXCEPTION
        WHEN OTHERS THEN
            NULL;
    END;
    BEGIN
        ip_address := context ->> 'ip_address';
    EXCEPTION
        WHEN OTHERS THEN
            NULL;
    END;
END
$$;
COMMENT ON FUNCTION telemetry.actor() IS 'Who acts in this transaction, as ops.actor(jsonb) was told';

-- 2,000 characters of 8 kB: what is cut is shorter than what is not.
CREATE FUNCTION telemetry.shown(value jsonb, is_secret boolean)
RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN coalesce(value, 'null') = 'null' THEN NULL
        WHEN is_secret THEN '"[redacted]"'
        WHEN pg_column_size(value) > 8192
            THEN to_jsonb(left(value #>> '{}', 2000) || format('… [cut: %s bytes]', octet_length(value::text)))
        ELSE value
    END
$$;
COMMENT ON FUNCTION telemetry.shown(jsonb, boolean) IS 'A value as the audit keeps it: no secret, and not too long';

-- In PL/pgSQL, which plans it once in a session, and not once in each statement.
CREATE FUNCTION telemetry.changes(before jsonb, after jsonb, skipped text[], secret text[], secret_where text)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    is_open constant boolean := secret_where IS NOT NULL
        AND coalesce(before -> secret_where, 'false') = 'false'
        AND coalesce(after -> secret_where, 'false') = 'false';
    hidden constant text[] := CASE WHEN is_open THEN '{}' ELSE secret END;
BEGIN
    RETURN (
        SELECT jsonb_object_agg(
            name,
            jsonb_build_array(
                telemetry.shown(before -> name, name = ANY (hidden)),
                telemetry.shown(after -> name, name = ANY (hidden))
            )
        )
        FROM jsonb_object_keys(coalesce(after, before) - skipped) AS name
        WHERE coalesce(before -> name, 'null') <> coalesce(after -> name, 'null')
    );
END
$$;
COMMENT ON FUNCTION telemetry.changes(jsonb, jsonb, text[], text[], text) IS
'What differs between a row before and after, as audit_logs.changes; null if nothing does';

-- The arguments of its triggers: columns that are secret, columns whose changes are noise, and, where a row says for
-- itself whether it is secret, the column that says so.
CREATE FUNCTION telemetry.record_changes()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
-- A table may have a column that is called like one of these.
#variable_conflict use_variable
DECLARE
    secret constant text[] := TG_ARGV[0];
    skipped constant text[] := '{version,updated_at}'::text[] || TG_ARGV[1]::text[];
    secret_where constant text := TG_ARGV[2];
    actor record;
BEGIN
    actor := telemetry.actor();
    PERFORM telemetry.make_today('telemetry.audit_logs', 'month');
    IF TG_OP = 'INSERT' THEN
        INSERT INTO telemetry.audit_logs (
            user_id,
            api_key_id,
            request_id,
            action,
            resource_type,
            resource_id,
            changes,
            ip_address,
            user_agent
        )
        SELECT
            actor.user_id,
            actor.api_key_id,
            actor.request_id,
            TG_TABLE_NAME || '.create',
            TG_TABLE_NAME,
            later.id,
            telemetry.changes(NULL, to_jsonb(later), skipped, secret, secret_where),
            actor.ip_address,
            actor.user_agent
        FROM new_rows AS later;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO telemetry.audit_logs (
            user_id,
            api_key_id,
            request_id,
            action,
            resource_type,
            resource_id,
            changes,
            ip_address,
            user_agent
        )
        SELECT
            actor.user_id,
            actor.api_key_id,
            actor.request_id,
            TG_TABLE_NAME || '.update',
            TG_TABLE_NAME,
            coalesce(later.id, earlier.id),
            change.columns,
            actor.ip_address,
            actor.user_agent
        -- A full join is never done by a loop in a loop, which a plan that was made for one row would be for thousands.
        -- And it keeps both sides of a row whose id has changed.
        FROM old_rows AS earlier
        FULL JOIN new_rows AS later ON later.id = earlier.id
        CROSS JOIN LATERAL (
            SELECT telemetry.changes(to_jsonb(earlier), to_jsonb(later), skipped, secret, secret_where) AS columns
            OFFSET 0
        ) AS change
        WHERE change.columns IS NOT NULL;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO telemetry.audit_logs (
            user_id,
            api_key_id,
            request_id,
            action,
            resource_type,
            resource_id,
            changes,
            ip_address,
            user_agent
        )
        SELECT
            actor.user_id,
            actor.api_key_id,
            actor.request_id,
            TG_TABLE_NAME || '.delete',
            TG_TABLE_NAME,
            earlier.id,
            telemetry.changes(to_jsonb(earlier), NULL, skipped, secret, secret_where),
            actor.ip_address,
            actor.user_agent
        FROM old_rows AS earlier;
    ELSE
        -- Nobody is told which rows there were.
        INSERT INTO telemetry.audit_logs (
            user_id,
            api_key_id,
            request_id,
            action,
            resource_type,
            ip_address,
            user_agent
        )
        VALUES (
            actor.user_id,
            actor.api_key_id,
            actor.request_id,
            TG_TABLE_NAME || '.truncate',
            TG_TABLE_NAME,
            actor.ip_address,
            actor.user_agent
        );
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.record_changes() IS
'AFTER each statement: a row in audit_logs for each row that it has changed';

CREATE FUNCTION telemetry.audit(
    audited regclass,
    secret text[] DEFAULT '{}',
    noise text[] DEFAULT '{}',
    secret_where text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    call constant text := format(
        'FOR EACH STATEMENT EXECUTE FUNCTION telemetry.record_changes(%L, %L%s)',
        secret,
        noise,
        ', ' || quote_literal(secret_where)
    );
    missing text;
BEGIN
    SELECT name
    INTO missing
    FROM unnest(secret || noise || secret_where) AS name
    WHERE name IS NOT NULL
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_attribute
            WHERE attrelid = audited
                AND attname = name
                AND NOT attisdropped
        );
    IF missing IS NOT NULL THEN
        RAISE undefined_column USING MESSAGE = format('%s has no column %I', audited, missing);
    END IF;
    EXECUTE format('CREATE TRIGGER audit_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows %s', audited, call);
    EXECUTE format(
        'CREATE TRIGGER audit_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows %s',
        audited,
        call
    );
    EXECUTE format('CREATE TRIGGER audit_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows %s', audited, call);
    EXECUTE format('CREATE TRIGGER audit_truncate AFTER TRUNCATE ON %s %s', audited, call);
END
$$;
COMMENT ON FUNCTION telemetry.audit(regclass, text[], text[], text) IS
'Has all changes of a table recorded, but for the secret columns'' values, and for noise; call it once, when the table is made';

CREATE FUNCTION telemetry.note_reveal(kind text, revealed uuid)
RETURNS void
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO telemetry.audit_logs (
        user_id, api_key_id, request_id, action, resource_type, resource_id, ip_address, user_agent
    )
    SELECT
        actor.user_id,
        actor.api_key_id,
        actor.request_id,
        kind || '.reveal',
        kind,
        revealed,
        actor.ip_address,
        actor.user_agent
    FROM telemetry.actor() AS actor
$$;
COMMENT ON FUNCTION telemetry.note_reveal(text, uuid) IS 'A row in the audit: somebody has read a secret';

-- A login is no change of a user, and a call none of a key. That an account is locked is one.
SELECT telemetry.audit('identity.users', secret => '{password_hash}', noise => '{failed_logins,last_login}');
SELECT telemetry.audit('identity.teams');
SELECT telemetry.audit('identity.team_members');
SELECT telemetry.audit('identity.api_keys', secret => '{key_hash}', noise => '{last_used_at}');
SELECT telemetry.audit('ops.settings', secret => '{value,value_sealed}', noise => '{value_key_id}', secret_where => 'secret');

-- A view reads with the rights of its owner, unless PostgreSQL is 15 or newer; a function reads with those of whoever asks, so
-- that the policies of what it reads hold. It is one query, which PostgreSQL puts in the place of the call.
CREATE FUNCTION telemetry.activity()
RETURNS TABLE (
    id uuid,
    user_id uuid,
    "user" text,
    verb text,
    resource text,
    action text,
    resource_type text,
    resource_id uuid,
    summary text,
    created_at timestamptz
)
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
    SELECT
        a.id,
        a.user_id,
        coalesce(nullif(u.name, ''), u.email) AS "user",
        words.verb,
        words.resource,
        a.action,
        a.resource_type,
        a.resource_id,
        concat_ws(
            ' ',
            coalesce(nullif(u.name, ''), u.email, CASE WHEN a.user_id IS NULL THEN a.database_user ELSE 'A former user' END),
            words.verb,
            'the',
            words.resource,
            coalesce(words.label, a.resource_id::text)
        ) || CASE WHEN words.verb = 'changed' THEN ': ' || words.columns ELSE '' END AS summary,
        a.created_at
    FROM telemetry.audit_logs AS a
    LEFT JOIN identity.users AS u ON u.id = a.user_id
    CROSS JOIN LATERAL (
        SELECT
            CASE split_part(a.action, '.', 2)
                WHEN 'create' THEN 'created'
                WHEN 'update' THEN 'changed'
                WHEN 'delete' THEN 'deleted'
                WHEN 'truncate' THEN 'emptied'
                WHEN 'query' THEN 'queried'
                ELSE split_part(a.action, '.', 2)
            END AS verb,
            -- One of them: categories are a category, and settings a setting. All of them where all are meant.
            CASE
                WHEN a.resource_id IS NULL THEN replace(a.resource_type, '_', ' ')
                ELSE regexp_replace(regexp_replace(replace(a.resource_type, '_', ' '), 'ies$', 'ys'), 's$', '')
            END AS resource,
            -- What it is called now, or was called last.
            coalesce(
                nullif(a.changes #>> '{name,1}', ''),
                nullif(a.changes #>> '{name,0}', ''),
                a.changes #>> '{key,1}',
                a.changes #>> '{key,0}',
                a.changes #>> '{email,1}',
                a.changes #>> '{email,0}'
            ) AS label,
            (SELECT string_agg(name, ', ' ORDER BY name) FROM jsonb_object_keys(a.changes) AS name) AS columns
    ) AS words
$$;
COMMENT ON FUNCTION telemetry.activity() IS 'What users did, in words, as far as whoever asks may see it';

CREATE VIEW telemetry.activity_logs AS
SELECT
    id,
    user_id,
    "user",
    verb,
    resource,
    action,
    resource_type,
    resource_id,
    summary,
    created_at
FROM telemetry.activity();
COMMENT ON VIEW telemetry.activity_logs IS 'What users did, in words';

-- Row-level security. The owner alone writes the audit and reads all of it.

ALTER TABLE telemetry.audit_logs ENABLE ROW LEVEL SECURITY;

CREATE POLICY readers_see_all ON telemetry.audit_logs FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_what_they_did ON telemetry.audit_logs FOR SELECT TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()));

ALTER TABLE telemetry.notifications ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON telemetry.notifications TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON telemetry.notifications FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_their_own ON telemetry.notifications FOR SELECT TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY users_change_their_own ON telemetry.notifications FOR UPDATE TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY users_remove_their_own ON telemetry.notifications FOR DELETE TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY admins_add_notifications ON telemetry.notifications FOR INSERT TO authenticated_users
WITH CHECK ((SELECT identity.current_user_is_admin()));

-- Rights.

GRANT USAGE ON SCHEMA telemetry TO authenticated_users, mainstay_readonly;

GRANT SELECT
ON telemetry.audit_logs,
    telemetry.api_access_logs,
    telemetry.system_metrics,
    telemetry.performance_metrics,
    telemetry.notifications,
    telemetry.activity_logs
TO mainstay_readonly;

-- Of what they did themselves, what the activity says of it.
GRANT SELECT (
    id,
    user_id,
    action,
    resource_type,
    resource_id,
    changes,
    database_user,
    created_at
) ON telemetry.audit_logs TO authenticated_users;

GRANT SELECT ON telemetry.activity_logs TO authenticated_users;
GRANT SELECT, INSERT, UPDATE, DELETE ON telemetry.notifications TO authenticated_users;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA telemetry FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.activity() TO authenticated_users, mainstay_readonly;
