-- What became of a test of the webhook $2, made by $1: an event of its own, and its delivery, both as they are in $3.
WITH event AS (
    INSERT INTO gateway.webhook_events (
        id,
        type,
        payload,
        request_id,
        deliveries,
        failed,
        attempts,
        status
    )
    SELECT
        result.event_id,
        'webhooks.test',
        result.payload,
        $1::jsonb ->> 'request_id',
        1,
        CASE WHEN result.status = 'FAILED' THEN 1 ELSE 0 END,
        1,
        CASE WHEN result.status = 'FAILED' THEN 'FAILED' ELSE 'PROCESSED' END
    FROM ops.actor($1),
        jsonb_to_record($3) AS result (event_id uuid, payload jsonb, status text)
    RETURNING
        id,
        type,
        created_at
),
delivery AS (
    INSERT INTO gateway.webhook_deliveries AS d (
        event_id,
        event_created_at,
        event_type,
        webhook_id,
        status,
        attempt,
        next_attempt_at,
        response_status,
        response_ms,
        response_excerpt,
        error,
        finished_at
    )
    SELECT
        event.id,
        event.created_at,
        event.type,
        w.id,
        result.status,
        1,
        NULL,
        result.response_status,
        result.response_ms,
        result.response_excerpt,
        result.error,
        now()
    FROM event,
        gateway.webhooks AS w,
        jsonb_to_record($3) AS result (
            status text,
            response_status integer,
            response_ms integer,
            response_excerpt text,
            error text
        )
    WHERE w.id = $2
    RETURNING d.*
),
shown AS (
    SELECT
        delivery.id,
        delivery.event_id,
        delivery.webhook_id,
        delivery.event_type,
        delivery.status,
        delivery.attempt,
        delivery.next_attempt_at,
        delivery.response_status,
        delivery.response_ms,
        delivery.response_excerpt,
        delivery.error,
        delivery.finished_at,
        delivery.created_at
    FROM delivery
)
-- As JSON here: a statement that begins like this cannot be put into another.
SELECT to_json(shown)::text AS object
FROM shown
