-- Migration: Gateway
-- Version: 003
-- Description: The routes that gateways take, and the numbered configurations that they were part of
-- Created: 2026-11-21T00:00:00Z

CREATE SCHEMA gateway;
COMMENT ON SCHEMA gateway IS 'What gateways do, and who is told of what happens';

CREATE TABLE gateway.routes (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    path text NOT NULL,
    path_shape text NOT NULL GENERATED ALWAYS AS (regexp_replace(path, '[{][^}]*[}]', '{}', 'g')) STORED,
    upstream text NOT NULL,
    methods text[] NOT NULL DEFAULT '{GET}',
    strip_path text,
    enabled boolean NOT NULL DEFAULT true,
    rate_limit jsonb,
    auth jsonb,
    headers jsonb NOT NULL DEFAULT '{}',
    timeout integer,
    retry jsonb,
    metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT routes_name_is_unique UNIQUE (name),
    CONSTRAINT routes_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT routes_path_starts_with_slash CHECK (starts_with(path, '/')),
    CONSTRAINT routes_path_has_at_most_1024_characters CHECK (char_length(path) <= 1024),
    CONSTRAINT routes_path_is_a_pattern CHECK (
        path ~ '^(/([A-Za-z0-9._~!$&''()+,;=:@%-]+|[{][A-Za-z_][A-Za-z0-9_]*[}]))*(/|/[*])?$'
    ),
    CONSTRAINT routes_upstream_is_a_url CHECK (upstream ~ '^(https?|wss?)://[^/?#@[:space:][:cntrl:]]+(/[^?#[:space:][:cntrl:]]*)?$'),
    CONSTRAINT routes_upstream_has_at_most_2048_characters CHECK (char_length(upstream) <= 2048),
    CONSTRAINT routes_methods_are_known_and_each_there_once CHECK (
        cardinality(methods) > 0
        AND cardinality(methods)
        = ('GET' = ANY (methods))::integer
        + ('POST' = ANY (methods))::integer
        + ('PUT' = ANY (methods))::integer
        + ('PATCH' = ANY (methods))::integer
        + ('DELETE' = ANY (methods))::integer
        + ('HEAD' = ANY (methods))::integer
        + ('OPTIONS' = ANY (methods))::integer
        AND array_position(methods, NULL) IS NULL
    ),
    -- Whole segments without parameters: what is taken off is the same for every request.
    CONSTRAINT routes_strip_path_begins_path CHECK (
        (path = strip_path OR starts_with(path, strip_path || '/'))
        AND strip_path ~ '^(/[^/{*]+)+$'
    ),
    CONSTRAINT routes_rate_limit_has_max_and_window CHECK (
        coalesce(rate_limit @@ 'strict $.max >= 1 && $.windowMs >= 1', rate_limit IS NULL)
    ),
    CONSTRAINT routes_auth_has_a_type CHECK (
        coalesce(auth @@ 'strict $.type starts with ""', auth IS NULL)
    ),
    CONSTRAINT routes_headers_is_an_object CHECK (jsonb_typeof(headers) = 'object'),
    CONSTRAINT routes_timeout_is_1_to_600000_ms CHECK (timeout BETWEEN 1 AND 600000),
    CONSTRAINT routes_retry_has_attempts CHECK (
        coalesce(retry @@ 'strict $.attempts >= 1', retry IS NULL)
    ),
    CONSTRAINT routes_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object'),
    -- Of two routes that a request could take as well, nobody could say which one it takes. A constraint for each method,
    -- so that its name says which; deferrable, so that routes which change places in one statement, or in one
    -- transaction that defers them, are judged by where they end up.
    CONSTRAINT routes_get_has_the_path_once EXCLUDE (path_shape WITH =)
    WHERE (enabled AND 'GET' = ANY (methods)) DEFERRABLE,
    CONSTRAINT routes_post_has_the_path_once EXCLUDE (path_shape WITH =)
    WHERE (enabled AND 'POST' = ANY (methods)) DEFERRABLE,
    CONSTRAINT routes_put_has_the_path_once EXCLUDE (path_shape WITH =)
    WHERE (enabled AND 'PUT' = ANY (methods)) DEFERRABLE,
    CONSTRAINT routes_patch_has_the_path_once EXCLUDE (path_shape WITH =)
    WHERE (enabled AND 'PATCH' = ANY (methods)) DEFERRABLE,
    CONSTRAINT routes_delete_has_the_path_once EXCLUDE (path_shape WITH =)
    WHERE (enabled AND 'DELETE' = ANY (methods)) DEFERRABLE,
    CONSTRAINT routes_head_has_the_path_once EXCLUDE (path_shape WITH =)
    WHERE (enabled AND 'HEAD' = ANY (methods)) DEFERRABLE,
    CONSTRAINT routes_options_has_the_path_once EXCLUDE (path_shape WITH =)
    WHERE (enabled AND 'OPTIONS' = ANY (methods)) DEFERRABLE
)
-- Room on each page, so that a route is changed where it is and its indexes need not know.
WITH (fillfactor = 80);
COMMENT ON TABLE gateway.routes IS 'From a method and a path to who answers: what gateways do';
COMMENT ON COLUMN gateway.routes.path IS 'A pattern: {name} stands for one segment, * at the end for all that may follow';
COMMENT ON COLUMN gateway.routes.path_shape IS 'The path without the names of its parameters: what two routes may not both have';
COMMENT ON COLUMN gateway.routes.strip_path IS 'What is taken off the front of the path before the upstream is asked';
COMMENT ON COLUMN gateway.routes.headers IS 'Headers that the upstream is sent beside the client''s; null takes one away';
COMMENT ON COLUMN gateway.routes.timeout IS 'In milliseconds; null is the gateway''s own';

CREATE INDEX routes_path ON gateway.routes (path, id);
CREATE INDEX routes_upstream ON gateway.routes (upstream);
CREATE INDEX routes_disabled ON gateway.routes (id) WHERE NOT enabled;
CREATE INDEX routes_methods ON gateway.routes USING gin (methods);
CREATE INDEX routes_metadata ON gateway.routes USING gin (metadata jsonb_path_ops);
-- For what is searched by a part of it. Each costs a change more than all the others do, so upstreams have none: there are
-- few of them, and a search among them reads the table.
CREATE INDEX routes_name_trigrams ON gateway.routes USING gin (ops.trigrams(name));
CREATE INDEX routes_path_trigrams ON gateway.routes USING gin (ops.trigrams(path));

CREATE TRIGGER touch
BEFORE UPDATE ON gateway.routes
FOR EACH ROW EXECUTE FUNCTION ops.touch();

SELECT telemetry.audit('gateway.routes', noise => '{path_shape}');

-- Servers keep the routes in memory, and listen here for when to read what has changed. It is not said what: a notification
-- is too short for it, and a transaction of several would be read by halves. However many statements there are in one, it
-- is said once.
CREATE FUNCTION gateway.notify_routes()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_notify('mainstay_routes', '');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION gateway.notify_routes() IS 'AFTER each statement: tells all servers that routes have changed';

CREATE TRIGGER notify_of_change
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gateway.routes
FOR EACH STATEMENT EXECUTE FUNCTION gateway.notify_routes();

-- Written once and never changed, as the logs are; whoever made one stays known when they are gone.
CREATE TABLE gateway.revisions (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    number bigint NOT NULL,
    checksum text NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    author uuid,
    message text NOT NULL DEFAULT '',
    snapshot jsonb NOT NULL,
    summary jsonb NOT NULL DEFAULT '{}',
    restored_from bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT revisions_number_is_unique UNIQUE (number),
    CONSTRAINT revisions_number_counts_from_1 CHECK (number >= 1),
    CONSTRAINT revisions_checksum_is_sha256 CHECK (checksum ~ '^[0-9a-f]{64}$'),
    CONSTRAINT revisions_message_has_at_most_10000_characters CHECK (char_length(message) <= 10000),
    CONSTRAINT revisions_snapshot_is_an_object CHECK (jsonb_typeof(snapshot) = 'object'),
    CONSTRAINT revisions_summary_is_an_object CHECK (jsonb_typeof(summary) = 'object'),
    CONSTRAINT revisions_restored_from_exists FOREIGN KEY (restored_from) REFERENCES gateway.revisions (number)
);
COMMENT ON TABLE gateway.revisions IS 'Whole configurations, as they were after each was applied';
COMMENT ON COLUMN gateway.revisions.tags IS 'Which part of the configuration it is: what has all of these tags; all of it without any';
COMMENT ON COLUMN gateway.revisions.summary IS 'What it changed, in numbers';
COMMENT ON COLUMN gateway.revisions.restored_from IS 'The number of the revision that it went back to, if it did';

CREATE INDEX revisions_restored_from ON gateway.revisions (restored_from) WHERE restored_from IS NOT NULL;
CREATE INDEX revisions_author ON gateway.revisions (author, id);
CREATE INDEX revisions_created_at ON gateway.revisions (created_at, id);

-- The snapshot is a copy of what the rows' own audit has, and often a long one.
SELECT telemetry.audit('gateway.revisions', noise => '{snapshot}');

GRANT USAGE ON SCHEMA gateway TO mainstay_readonly;
GRANT SELECT ON gateway.routes TO mainstay_readonly;

-- Not the snapshot: webhooks in it have headers, which may be secret.
GRANT SELECT (
    id,
    number,
    checksum,
    tags,
    author,
    message,
    summary,
    restored_from,
    created_at
) ON gateway.revisions TO mainstay_readonly;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA gateway FROM PUBLIC;
