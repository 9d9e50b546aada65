-- The webhook $2 has another secret, says $1: $3, sealed by the key $4. The old one, sealed again as $5 by the key $6, goes
-- on beside it for $7 seconds.
UPDATE gateway.webhooks AS w
SET secret = $3,
    secret_key_id = $4,
    previous_secret = CASE WHEN $7::bigint > 0 THEN $5::text END,
    previous_secret_key_id = CASE WHEN $7 > 0 THEN $6::text END,
    previous_secret_until = CASE WHEN $7 > 0 THEN now() + $7 * interval '1 second' END
FROM ops.actor($1)
WHERE w.id = $2
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
