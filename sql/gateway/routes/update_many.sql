-- Routes become, by $1, what an array of objects with their names says.
UPDATE gateway.routes AS t
SET
    path = new.path,
    upstream = new.upstream,
    methods = new.methods,
    strip_path = new.strip_path,
    enabled = new.enabled,
    rate_limit = new.rate_limit,
    auth = new.auth,
    headers = new.headers,
    timeout = new.timeout,
    retry = new.retry,
    metadata = new.metadata
FROM ops.actor($1),
    jsonb_populate_recordset(NULL::gateway.routes, $2) AS new
WHERE t.name = new.name
