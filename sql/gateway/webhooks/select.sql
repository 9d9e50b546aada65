-- All webhooks, without their secrets.
SELECT
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
FROM gateway.webhooks AS w
