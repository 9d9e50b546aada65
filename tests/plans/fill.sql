-- Many rows in every table that grows. No trigger and no reference is in the way of that, and nothing of it is the caller's.
SET session_replication_role = replica;

INSERT INTO identity.users (id, email, name, status, created_at, updated_at)
SELECT md5('user' || n)::uuid, 'user' || n || '@example.org', 'User ' || n, 'ACTIVE', moment, moment
FROM generate_series(1, 40000) AS n, LATERAL (SELECT now() - n * interval '1 minute' AS moment) AS m;

INSERT INTO identity.sessions (user_id, token, family, expires_at)
SELECT md5('user' || n)::uuid, sha256(('t' || n)::bytea), sha256(('f' || n)::bytea), now() + n * interval '1 second'
FROM generate_series(1, 40000) AS n;

INSERT INTO identity.teams (created_at, updated_at, id, name, slug, created_by)
SELECT now() - n * interval '1 second', now() - n * interval '1 second', md5('team' || n)::uuid, 'Team ' || n, 'team-' || n, md5('user' || n)::uuid
FROM generate_series(1, 40000) AS n;

INSERT INTO identity.team_members (team_id, user_id)
SELECT md5('team' || n)::uuid, md5('user' || n)::uuid
FROM generate_series(1, 40000) AS n;

INSERT INTO identity.api_keys (user_id, name, prefix, key_hash)
SELECT md5('user' || n)::uuid, 'key ' || n, 'ctm_' || lpad(n::text, 8, '0'), sha256(('k' || n)::bytea)
FROM generate_series(1, 40000) AS n;

INSERT INTO telemetry.notifications (user_id, type, title)
SELECT md5('user' || n % 1000)::uuid, 'tests.filled', 'Title ' || n
FROM generate_series(1, 40000) AS n;

INSERT INTO telemetry.audit_logs (user_id, request_id, action, resource_type, resource_id, changes, created_at)
SELECT md5('user' || n % 1000)::uuid, 'request ' || n, 'teams.update', 'teams', md5('team' || n)::uuid, '{}', now() - n * interval '1 second'
FROM generate_series(1, 40000) AS n;

INSERT INTO telemetry.api_access_logs (user_id, request_id, method, path, status, duration_ms, bytes, ip_address, created_at)
SELECT md5('user' || n % 1000)::uuid, 'request ' || n, 'GET', '/api/teams', 200, 1, 1, '127.0.0.1', now() - n * interval '1 second'
FROM generate_series(1, 40000) AS n;

INSERT INTO telemetry.system_metrics (name, value, recorded_at)
SELECT 'figure', n, now() - n * interval '1 second' FROM generate_series(1, 40000) AS n;

INSERT INTO telemetry.performance_metrics (name, value, recorded_at)
SELECT 'figure', n, now() - n * interval '1 second' FROM generate_series(1, 40000) AS n;

INSERT INTO gateway.routes (name, path, upstream, methods)
SELECT 'route ' || n, '/r' || n, 'http://127.0.0.1:9', '{GET}'
FROM generate_series(1, 5000) AS n;

INSERT INTO gateway.revisions (created_at, number, checksum, snapshot)
SELECT now() - n * interval '1 second', n, encode(sha256(n::text::bytea), 'hex'), '{}'
FROM generate_series(1, 20000) AS n;

INSERT INTO gateway.webhook_events (id, type, payload, status, created_at)
SELECT md5('event' || n)::uuid, 'teams.update', '{}', 'PROCESSED', now() - n * interval '1 second'
FROM generate_series(1, 40000) AS n;

INSERT INTO gateway.webhook_deliveries (event_id, event_created_at, event_type, webhook_id, status, next_attempt_at, finished_at)
SELECT md5('event' || n)::uuid, now() - n * interval '1 second', 'teams.update', md5('hook' || n % 20)::uuid, 'SUCCEEDED', NULL, now()
FROM generate_series(1, 40000) AS n;

INSERT INTO templates.templates (created_at, updated_at, id, name, slug, author_id)
SELECT now() - n * interval '1 second', now() - n * interval '1 second', md5('template' || n)::uuid, 'Template ' || n, 'template-' || n, md5('user' || n)::uuid
FROM generate_series(1, 10000) AS n;

INSERT INTO templates.template_versions (created_at, template_id, template_version, checksum, snapshot)
SELECT now() - n * interval '1 second', md5('template' || n)::uuid, '1.0.0', encode(sha256(convert_to('{}'::jsonb::text, 'UTF8')), 'hex'), '{}'
FROM generate_series(1, 20000) AS n;

INSERT INTO devx.projects (created_at, updated_at, id, name, slug, owner_id)
SELECT now() - n * interval '1 second', now() - n * interval '1 second', md5('project' || n)::uuid, 'Project ' || n, 'project-' || n, md5('user' || n)::uuid
FROM generate_series(1, 40000) AS n;

INSERT INTO devx.services (created_at, updated_at, id, name, slug, user_id, project_id)
SELECT now() - n * interval '1 second', now() - n * interval '1 second', md5('service' || n)::uuid, 'Service ' || n, 'service-' || n, md5('user' || n)::uuid, md5('project' || n)::uuid
FROM generate_series(1, 40000) AS n;

INSERT INTO devx.health_checks (created_at, service_id, status, response_status)
SELECT now() - n * interval '1 second', md5('service' || n)::uuid, 'UP', 200
FROM generate_series(1, 40000) AS n;

INSERT INTO devx.generation_history (user_id, project_id, service_id, generation_status, completed_at)
SELECT md5('user' || n)::uuid, md5('project' || n)::uuid, md5('service' || n)::uuid, 'completed', now()
FROM generate_series(1, 40000) AS n;

INSERT INTO devx.activity (created_at, user_id, project_id, verb, resource_type, resource_id, summary)
SELECT now() - n * interval '1 second', md5('user' || n)::uuid, md5('project' || n)::uuid, 'created', 'services', md5('service' || n)::uuid, 'Somebody created a service'
FROM generate_series(1, 40000) AS n;

ANALYZE;
