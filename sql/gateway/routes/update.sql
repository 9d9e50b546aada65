-- Of a route, what $3 names is changed, by $1, if it still is at version $4.
UPDATE gateway.routes AS t
SET (
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
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
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
    FROM jsonb_populate_record(t, $3) AS new
)
FROM ops.actor($1)
WHERE t.id = ANY ($2)
    AND ($4::integer IS NULL OR t.version = $4)
RETURNING
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
