-- Migration: Webhooks
-- Version: 004
-- Description: Who is told what happens here, what has happened, and what became of telling them
-- Created: 2026-11-21T00:00:00Z

-- The patterns that ask for an event: routes.created is asked for by its own name, by routes.*, and by *.
CREATE FUNCTION gateway.event_patterns(type text)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT array_agg(pattern)
    FROM (
        SELECT type
        UNION ALL
        SELECT '*'
        UNION ALL
        SELECT array_to_string(words[:place], '.') || '.*'
        FROM (SELECT string_to_array(type, '.') AS words) AS split,
            generate_series(1, cardinality(words) - 1) AS place
    ) AS patterns (pattern)
$$;
COMMENT ON FUNCTION gateway.event_patterns(text) IS 'Everything by which webhooks may ask for an event of this type';

CREATE FUNCTION gateway.are_event_patterns(events text[])
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT cardinality(events) BETWEEN 1 AND 100
        AND NOT EXISTS (
            SELECT
            FROM unnest(events) AS pattern
            WHERE pattern IS NULL
                OR char_length(pattern) > 255
                OR pattern !~ '^([*]|[a-z0-9_]+([.][a-z0-9_]+)*([.][*])?)$'
        )
$$;
COMMENT ON FUNCTION gateway.are_event_patterns(text[]) IS 'Whether these are 1 to 100 of routes.created, routes.* and *';

CREATE TABLE gateway.webhooks (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    secret text NOT NULL,
    secret_key_id text NOT NULL,
    previous_secret text,
    previous_secret_key_id text,
    previous_secret_until timestamptz,
    headers jsonb NOT NULL DEFAULT '{}',
    retry_config jsonb,
    ordered boolean NOT NULL DEFAULT false,
    enabled boolean NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_by uuid,
    last_triggered_at timestamptz,
    last_status integer,
    failure_count integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    blocked_until timestamptz,
    disabled_reason text,
    disabled_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhooks_name_and_url_are_unique UNIQUE (name, url),
    CONSTRAINT webhooks_creator_exists FOREIGN KEY (created_by) REFERENCES identity.users (id) ON DELETE SET NULL,
    CONSTRAINT webhooks_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT webhooks_url_is_http CHECK (url ~ '^https?://[^[:space:][:cntrl:]/?#@]+([/?][^[:space:][:cntrl:]#]*)?$'),
    CONSTRAINT webhooks_url_has_at_most_2048_characters CHECK (char_length(url) <= 2048),
    CONSTRAINT webhooks_events_are_patterns CHECK (gateway.are_event_patterns(events)),
    CONSTRAINT webhooks_secret_is_sealed CHECK (secret ~ '^[0-9a-f]{24}:[0-9a-f]{32}:[0-9a-f]+$'),
    CONSTRAINT webhooks_previous_secret_is_sealed CHECK (previous_secret ~ '^[0-9a-f]{24}:[0-9a-f]{32}:[0-9a-f]+$'),
    CONSTRAINT webhooks_previous_secret_has_key_and_end CHECK (
        (previous_secret IS NULL) = (previous_secret_key_id IS NULL)
        AND (previous_secret IS NULL) = (previous_secret_until IS NULL)
    ),
    CONSTRAINT webhooks_headers_is_an_object CHECK (jsonb_typeof(headers) = 'object'),
    CONSTRAINT webhooks_retry_config_is_an_object CHECK (jsonb_typeof(retry_config) = 'object'),
    CONSTRAINT webhooks_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT webhooks_last_status_is_http CHECK (last_status BETWEEN 100 AND 999),
    CONSTRAINT webhooks_failure_count_is_not_negative CHECK (failure_count >= 0),
    CONSTRAINT webhooks_disabled_since_a_time CHECK (enabled = (disabled_at IS NULL)),
    CONSTRAINT webhooks_disabled_reason_is_of_a_disabled_one CHECK (disabled_reason IS NULL OR NOT enabled)
);
COMMENT ON TABLE gateway.webhooks IS 'Who is told what happens here';
COMMENT ON COLUMN gateway.webhooks.events IS 'What they are told: routes.created, routes.*, *';
COMMENT ON COLUMN gateway.webhooks.secret IS 'What deliveries are signed with, sealed by the key that secret_key_id names';
COMMENT ON COLUMN gateway.webhooks.previous_secret IS 'What deliveries are signed with as well, until previous_secret_until';
COMMENT ON COLUMN gateway.webhooks.retry_config IS '{"schedule": [5, 300]}: seconds before each further attempt; null is the usual schedule';
COMMENT ON COLUMN gateway.webhooks.ordered IS 'Whether each delivery waits until the one before it has come to its end';
COMMENT ON COLUMN gateway.webhooks.failure_count IS 'Failures in a row';
COMMENT ON COLUMN gateway.webhooks.failing_since IS 'When the first of these failures was';
COMMENT ON COLUMN gateway.webhooks.blocked_until IS 'Until when nothing is sent, because of so many failures in a row';

CREATE INDEX webhooks_created_by ON gateway.webhooks (created_by);
CREATE INDEX webhooks_enabled ON gateway.webhooks (id) WHERE enabled;
CREATE INDEX webhooks_metadata ON gateway.webhooks USING gin (metadata jsonb_path_ops);

-- What deliveries note here is no new version of a webhook: whoever edits the row meanwhile has not lost anything.
CREATE TRIGGER touch
BEFORE UPDATE OF
    id,
    name,
    url,
    events,
    secret,
    secret_key_id,
    previous_secret,
    previous_secret_key_id,
    previous_secret_until,
    headers,
    retry_config,
    ordered,
    enabled,
    metadata,
    created_by,
    disabled_reason,
    disabled_at,
    version,
    created_at,
    updated_at
ON gateway.webhooks
FOR EACH ROW EXECUTE FUNCTION ops.touch();

-- Names of headers are no secrets, and their values may be.
SELECT telemetry.audit(
    'gateway.webhooks',
    secret => '{secret,previous_secret,headers}',
    noise => '{secret_key_id,previous_secret_key_id,last_triggered_at,last_status,failure_count,failing_since,blocked_until}'
);

CREATE FUNCTION gateway.event_status(deliveries bigint, unfinished bigint, failed bigint, attempts bigint)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN unfinished > 0 AND (attempts > 0 OR unfinished < deliveries) THEN 'PROCESSING'
        WHEN unfinished > 0 THEN 'PENDING'
        WHEN failed > 0 THEN 'FAILED'
        ELSE 'PROCESSED'
    END
$$;
COMMENT ON FUNCTION gateway.event_status(bigint, bigint, bigint, bigint) IS 'How far the deliveries of an event are, all together';

CREATE TABLE gateway.webhook_events (
    id uuid NOT NULL DEFAULT ops.uuid_v7(),
    type text NOT NULL,
    source text NOT NULL DEFAULT 'mainstay',
    payload jsonb NOT NULL,
    request_id text,
    deliveries integer NOT NULL DEFAULT 0,
    unfinished integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhook_events_pkey PRIMARY KEY (id, created_at),
    CONSTRAINT webhook_events_type_is_lower_case_words CHECK (type ~ '^[a-z0-9_]+([.][a-z0-9_]+)*$'),
    CONSTRAINT webhook_events_type_has_at_most_255_characters CHECK (char_length(type) <= 255),
    CONSTRAINT webhook_events_source_has_1_to_255_characters CHECK (char_length(source) BETWEEN 1 AND 255),
    CONSTRAINT webhook_events_payload_is_an_object CHECK (jsonb_typeof(payload) = 'object'),
    CONSTRAINT webhook_events_status_is_counted CHECK (
        -- The same as gateway.event_status, which would be read anew for each statement.
        status = CASE
            WHEN unfinished > 0 AND (attempts > 0 OR unfinished < deliveries) THEN 'PROCESSING'
            WHEN unfinished > 0 THEN 'PENDING'
            WHEN failed > 0 THEN 'FAILED'
            ELSE 'PROCESSED'
        END
    ),
    CONSTRAINT webhook_events_counts_are_possible CHECK (
        unfinished >= 0
        AND failed >= 0
        AND attempts >= 0
        AND unfinished + failed <= deliveries
    )
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE gateway.webhook_events IS 'What has happened here or elsewhere that webhooks ask for; a partition for each day';
COMMENT ON COLUMN gateway.webhook_events.source IS 'Where it happened: mainstay is here';
COMMENT ON COLUMN gateway.webhook_events.deliveries IS 'How many webhooks are told of it';
COMMENT ON COLUMN gateway.webhook_events.unfinished IS 'Deliveries that are not at their end';
COMMENT ON COLUMN gateway.webhook_events.failed IS 'Deliveries that were given up';
COMMENT ON COLUMN gateway.webhook_events.attempts IS 'Attempts of all its deliveries that are over';

CREATE INDEX webhook_events_type ON gateway.webhook_events (type, id);
CREATE INDEX webhook_events_request_id ON gateway.webhook_events (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX webhook_events_status ON gateway.webhook_events (status, id) WHERE status <> 'PROCESSED';
CREATE INDEX webhook_events_created_at ON gateway.webhook_events (created_at, id);

-- Without references: a change of anything here must neither wait for a webhook that somebody edits, nor fail because
-- somebody deletes it. A trigger removes the deliveries of webhooks that are deleted; events go by the day.
CREATE TABLE gateway.webhook_deliveries (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    event_id uuid NOT NULL,
    event_created_at timestamptz NOT NULL,
    event_type text NOT NULL,
    webhook_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'PENDING',
    attempt integer NOT NULL DEFAULT 0,
    attempts_before integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz DEFAULT now(),
    slot integer,
    lease_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    response_status integer,
    response_ms integer,
    response_excerpt text,
    error text,
    finished_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhook_deliveries_webhook_and_event_are_unique UNIQUE (webhook_id, event_id),
    CONSTRAINT webhook_deliveries_status_is_known CHECK (
        status IN ('PENDING', 'DELIVERING', 'SUCCEEDED', 'FAILED', 'CANCELLED')
    ),
    CONSTRAINT webhook_deliveries_attempts_are_counted CHECK (attempts_before BETWEEN 0 AND attempt),
    CONSTRAINT webhook_deliveries_pending_is_due_once CHECK ((status = 'PENDING') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_delivering_has_slot_and_lease CHECK (
        (status = 'DELIVERING') = (slot IS NOT NULL)
        AND (status = 'DELIVERING') = (lease_until IS NOT NULL)
    ),
    CONSTRAINT webhook_deliveries_end_has_a_time CHECK (
        (status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL)
    ),
    CONSTRAINT webhook_deliveries_response_status_is_http CHECK (response_status BETWEEN 100 AND 999),
    CONSTRAINT webhook_deliveries_response_excerpt_has_at_most_1_kib CHECK (octet_length(response_excerpt) <= 1024)
);
COMMENT ON TABLE gateway.webhook_deliveries IS 'An event on its way to a webhook';
COMMENT ON COLUMN gateway.webhook_deliveries.attempt IS 'Attempts so far';
COMMENT ON COLUMN gateway.webhook_deliveries.attempts_before IS 'Those of them before somebody asked to deliver it again';
COMMENT ON COLUMN gateway.webhook_deliveries.slot IS 'Which of the places that the webhook has for deliveries at the same time';
COMMENT ON COLUMN gateway.webhook_deliveries.lease_until IS 'Until when the server that claimed it may record what became of it';
COMMENT ON COLUMN gateway.webhook_deliveries.fence IS 'Tells one claim from the next';

-- What is due, by webhook; and for those who want one after the other, the oldest that is not at its end.
CREATE INDEX webhook_deliveries_due ON gateway.webhook_deliveries (webhook_id, next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX webhook_deliveries_open ON gateway.webhook_deliveries (webhook_id, event_id)
WHERE status IN ('PENDING', 'DELIVERING');
-- That no webhook gets more at the same time than it should is not left to those who claim.
CREATE UNIQUE INDEX webhook_deliveries_slot_is_free ON gateway.webhook_deliveries (webhook_id, slot)
WHERE slot IS NOT NULL;
CREATE INDEX webhook_deliveries_lease_until ON gateway.webhook_deliveries (lease_until) WHERE status = 'DELIVERING';
CREATE INDEX webhook_deliveries_webhook_id ON gateway.webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_event_id ON gateway.webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_failed ON gateway.webhook_deliveries (status, id) WHERE status IN ('FAILED', 'CANCELLED');

-- The deliveries of an event are counted where the event is. A full join is never done by a loop in a loop, which a plan that
-- was made for one delivery would be for thousands; and each event is found by its key.
CREATE FUNCTION gateway.count_deliveries()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    change record;
BEGIN
    FOR change IN
        SELECT
            later.event_id,
            later.event_created_at,
            count(*) FILTER (WHERE later.status = 'PENDING')
            - count(*) FILTER (WHERE earlier.status IN ('PENDING', 'DELIVERING')) AS unfinished,
            count(*) FILTER (WHERE later.status = 'FAILED')
            - count(*) FILTER (WHERE earlier.status = 'FAILED') AS failed,
            count(*) FILTER (WHERE earlier.status = 'DELIVERING') AS attempts
        FROM old_rows AS earlier
        FULL JOIN new_rows AS later ON later.id = earlier.id
        -- That one is on its way is counted when it has arrived.
        WHERE later.status <> earlier.status
            AND later.status <> 'DELIVERING'
        GROUP BY later.event_id, later.event_created_at
        -- Who changes several events at once does it in the same order as everybody.
        ORDER BY later.event_id
    LOOP
        UPDATE gateway.webhook_events AS event
        SET unfinished = event.unfinished + change.unfinished,
            failed = event.failed + change.failed,
            attempts = event.attempts + change.attempts,
            status = gateway.event_status(
                event.deliveries,
                event.unfinished + change.unfinished,
                event.failed + change.failed,
                event.attempts + change.attempts
            )
        WHERE event.id = change.event_id
            AND event.created_at = change.event_created_at;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION gateway.count_deliveries() IS 'AFTER an update of deliveries: counts them where their events are';

CREATE TRIGGER count_deliveries
AFTER UPDATE ON gateway.webhook_deliveries
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION gateway.count_deliveries();

-- What was on its way to a webhook that is deleted ends first, so that it is counted.
CREATE FUNCTION gateway.remove_deliveries()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE gateway.webhook_deliveries AS d
    SET status = 'CANCELLED',
        next_attempt_at = NULL,
        slot = NULL,
        lease_until = NULL,
        finished_at = now()
    FROM old_rows AS webhook
    WHERE d.webhook_id = webhook.id
        AND d.status IN ('PENDING', 'DELIVERING');
    DELETE FROM gateway.webhook_deliveries AS d
    USING old_rows AS webhook
    WHERE d.webhook_id = webhook.id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION gateway.remove_deliveries() IS 'AFTER a delete of webhooks: ends and removes their deliveries';

CREATE TRIGGER remove_deliveries
AFTER DELETE ON gateway.webhooks
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION gateway.remove_deliveries();

-- The outbox: what the audit records is an event in the same transaction, if a webhook asks for it. While there is no
-- webhook, that is one look into an empty index.
CREATE FUNCTION gateway.record_events()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text;
    wanting uuid[];
    is_wanted boolean := false;
BEGIN
    IF NOT EXISTS (SELECT FROM gateway.webhooks WHERE enabled) THEN
        RETURN NULL;
    END IF;
    -- One, but where somebody records by hand.
    FOR kind IN SELECT DISTINCT action FROM new_rows LOOP
        CONTINUE WHEN split_part(kind, '.', 2) NOT IN ('create', 'update', 'delete', 'truncate');
        -- What gateway.event_patterns says of these, without the price of a call.
        SELECT array_agg(webhook.id)
        INTO wanting
        FROM gateway.webhooks AS webhook
        WHERE webhook.enabled
            AND webhook.events && ARRAY[kind || 'd', split_part(kind, '.', 1) || '.*', '*'];
        CONTINUE WHEN wanting IS NULL;
        IF NOT is_wanted THEN
            PERFORM telemetry.make_today('gateway.webhook_events', 'day');
            is_wanted := true;
        END IF;
        WITH events AS (
            INSERT INTO gateway.webhook_events (
                type,
                payload,
                request_id,
                deliveries,
                unfinished,
                status
            )
            SELECT
                kind || 'd',
                jsonb_build_object(
                    'resource', changed.resource_type,
                    'id', changed.resource_id,
                    'changes', coalesce(changed.changes, '{}'),
                    'user_id', changed.user_id,
                    'api_key_id', changed.api_key_id,
                    'request_id', changed.request_id,
                    'audit_log_id', changed.id
                ),
                changed.request_id,
                cardinality(wanting),
                cardinality(wanting),
                'PENDING'
            FROM new_rows AS changed
            WHERE changed.action = kind
            RETURNING
                id,
                type,
                created_at
        )
        INSERT INTO gateway.webhook_deliveries (
            event_id,
            event_created_at,
            event_type,
            webhook_id
        )
        SELECT
            events.id,
            events.created_at,
            events.type,
            unnest(wanting)
        FROM events;
    END LOOP;
    IF is_wanted THEN
        PERFORM pg_notify('mainstay_deliveries', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION gateway.record_events() IS
'AFTER an insert into the audit: an event for each change that a webhook asks for, and a delivery for each such webhook';

SELECT telemetry.make_partitions_of('gateway.webhook_events', 'day', 30);

CREATE TRIGGER record_events
AFTER INSERT ON telemetry.audit_logs
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION gateway.record_events();

-- Rights. Secrets and headers are for the server alone.

GRANT SELECT (
    id,
    name,
    url,
    events,
    retry_config,
    ordered,
    enabled,
    metadata,
    created_by,
    last_triggered_at,
    last_status,
    failure_count,
    failing_since,
    blocked_until,
    disabled_reason,
    disabled_at,
    version,
    created_at,
    updated_at
) ON gateway.webhooks TO mainstay_readonly;

GRANT SELECT ON gateway.webhook_events, gateway.webhook_deliveries TO mainstay_readonly;

REVOKE EXECUTE
ON FUNCTION gateway.event_patterns(text),
    gateway.are_event_patterns(text[]),
    gateway.event_status(bigint, bigint, bigint, bigint),
    gateway.count_deliveries(),
    gateway.remove_deliveries(),
    gateway.record_events()
FROM PUBLIC;
