-- For each field of the route $1, its last change that is known, and whose it was.
SELECT to_json(b)::text
FROM (
    SELECT DISTINCT ON (change.key)
        change.key AS field,
        change.value -> 1 AS value,
        change.value -> 0 AS before,
        a.created_at AS changed_at,
        a.action,
        a.user_id,
        u.email AS "user",
        a.api_key_id,
        a.request_id,
        a.user_agent
    FROM gateway.routes AS t
    INNER JOIN telemetry.audit_logs AS a
        ON a.resource_type = 'routes'
        AND a.resource_id = t.id
    CROSS JOIN LATERAL jsonb_each(a.changes) AS change
    LEFT JOIN identity.users AS u
        ON u.id = a.user_id
    WHERE t.name = $1
        -- What mainstay sets itself changes with everything else.
        AND change.key <> ALL ('{id,version,created_at,updated_at}')
    ORDER BY change.key, a.id DESC
) AS b
