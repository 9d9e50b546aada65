-- All routes.
SELECT
    t.id,
    t.name,
    t.path,
    t.upstream,
    t.methods,
    t.strip_path,
    t.enabled,
    t.rate_limit,
    t.auth,
    t.headers,
    t.timeout,
    t.retry,
    t.metadata,
    t.version,
    t.created_at,
    t.updated_at
FROM gateway.routes AS t
