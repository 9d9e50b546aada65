-- The webhooks $2 are disabled, by $1, for the reason $3, and administrators are told, and whoever made them. Those that
-- are disabled already, or have had a success since, stay as they are.
WITH disabled AS (
    UPDATE gateway.webhooks AS w
    SET enabled = false,
        disabled_at = now(),
        disabled_reason = $3
    FROM ops.actor($1)
    WHERE w.id = ANY ($2)
        AND w.enabled
        AND w.failure_count > 0
    RETURNING
        w.id,
        w.name,
        w.url,
        w.created_by,
        w.disabled_reason
),
told AS (
    INSERT INTO telemetry.notifications (
        user_id,
        type,
        title,
        body,
        data
    )
    SELECT
        u.id,
        'webhooks.disabled',
        left(format('The webhook %s was disabled', disabled.name), 255),
        format(
            'It %s. What happens from now on is not sent there; what was waiting is sent once it is enabled again.',
            disabled.disabled_reason
        ),
        jsonb_build_object('webhook_id', disabled.id, 'reason', disabled.disabled_reason)
    FROM disabled
    JOIN identity.users AS u
        ON u.enabled
        AND (u.role = 'ADMIN' OR u.id = disabled.created_by)
    RETURNING 1
)
SELECT
    disabled.id,
    disabled.name
FROM disabled
