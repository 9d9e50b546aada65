-- New routes, made by $1 from an array of objects.
INSERT INTO gateway.routes (
    name,
    path,
    upstream,
    methods,
    strip_path,
    enabled,
    rate_limit,
    auth,
    headers,
    timeout,
    retry,
    metadata
)
SELECT
    new.name,
    new.path,
    new.upstream,
    new.methods,
    new.strip_path,
    new.enabled,
    new.rate_limit,
    new.auth,
    new.headers,
    new.timeout,
    new.retry,
    new.metadata
FROM ops.actor($1),
    jsonb_populate_recordset(NULL::gateway.routes, $2) AS new
