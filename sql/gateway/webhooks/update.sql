-- Of a webhook, what $3 names is changed, by $1, if it still is at version $4. Once it is enabled, what was before is
-- forgiven, and what waits for it is sent.
UPDATE gateway.webhooks AS w
SET (
    name,
    url,
    events,
    headers,
    retry_config,
    ordered,
    enabled,
    metadata,
    disabled_at,
    disabled_reason,
    failure_count,
    failing_since,
    blocked_until
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.name,
        new.url,
        new.events,
        new.headers,
        new.retry_config,
        new.ordered,
        new.enabled,
        new.metadata,
        CASE WHEN NOT new.enabled THEN coalesce(w.disabled_at, now()) END,
        CASE WHEN NOT new.enabled THEN w.disabled_reason END,
        CASE WHEN new.enabled AND NOT w.enabled OR new.url <> w.url THEN 0 ELSE w.failure_count END,
        CASE WHEN NOT (new.enabled AND NOT w.enabled OR new.url <> w.url) THEN w.failing_since END,
        CASE WHEN NOT (new.enabled AND NOT w.enabled OR new.url <> w.url) THEN w.blocked_until END
    FROM jsonb_populate_record(w, $3) AS new
)
FROM ops.actor($1)
WHERE w.id = ANY ($2)
    AND ($4::integer IS NULL OR w.version = $4)
RETURNING
    w.id,
    w.name,
    w.url,
    w.events,
    w.headers,
    w.retry_config,
    w.ordered,
    w.enabled,
    w.metadata,
    w.created_by,
    w.previous_secret_until,
    w.last_triggered_at,
    w.last_status,
    w.failure_count,
    w.failing_since,
    w.blocked_until,
    w.disabled_reason,
    w.disabled_at,
    w.version,
    w.created_at,
    w.updated_at
