-- An event from elsewhere, brought by $1, with a delivery for each webhook that asks for it. As JSON here: a statement that
-- begins like this cannot be put into another.
WITH new AS MATERIALIZED (
    SELECT
        ops.uuid_v7() AS id,
        given.type,
        given.source,
        given.payload
    FROM ops.actor($1),
        jsonb_populate_record(NULL::gateway.webhook_events, $2) AS given
),
wanting AS MATERIALIZED (
    SELECT w.id
    FROM gateway.webhooks AS w
    JOIN new ON w.events && gateway.event_patterns(new.type)
    WHERE w.enabled
),
event AS (
    INSERT INTO gateway.webhook_events (
        id,
        type,
        source,
        payload,
        request_id,
        deliveries,
        unfinished,
        status
    )
    SELECT
        new.id,
        new.type,
        new.source,
        new.payload,
        $1::jsonb ->> 'request_id',
        (SELECT count(*) FROM wanting),
        (SELECT count(*) FROM wanting),
        gateway.event_status((SELECT count(*) FROM wanting), (SELECT count(*) FROM wanting), 0, 0)
    FROM new
    RETURNING
        id,
        type,
        source,
        payload,
        request_id,
        status,
        deliveries,
        unfinished,
        failed,
        attempts,
        created_at
),
deliveries AS (
    INSERT INTO gateway.webhook_deliveries (
        event_id,
        event_created_at,
        event_type,
        webhook_id
    )
    SELECT
        event.id,
        event.created_at,
        event.type,
        wanting.id
    FROM event,
        wanting
    RETURNING 1
)
SELECT
    to_json(event)::text AS object,
    event.id,
    CASE WHEN event.deliveries > 0 THEN pg_notify('mainstay_deliveries', '') END AS notified
FROM event
