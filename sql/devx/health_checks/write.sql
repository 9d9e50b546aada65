-- How services were, $1 being a list of objects; and that is how they are now. One that is gone is left out.
WITH seen AS (
    SELECT
        new.service_id,
        new.status,
        new.response_status,
        new.response_ms,
        new.error
    FROM jsonb_populate_recordset(NULL::devx.health_checks, $1) AS new
    JOIN devx.services AS s ON s.id = new.service_id
    FOR KEY SHARE OF s
),
written AS (
    INSERT INTO devx.health_checks (
        service_id,
        status,
        response_status,
        response_ms,
        error
    )
    SELECT
        seen.service_id,
        seen.status,
        seen.response_status,
        seen.response_ms,
        seen.error
    FROM seen
)
UPDATE devx.services AS s
SET health_status = seen.status
FROM seen
WHERE s.id = seen.service_id
