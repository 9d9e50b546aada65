-- A new setting, made by $1.
INSERT INTO ops.settings (
    key,
    value,
    description,
    secret
)
SELECT
    new.key,
    new.value,
    new.description,
    new.secret
FROM ops.actor($1),
    jsonb_populate_record(NULL::ops.settings, $2) AS new
RETURNING
    id,
    key,
    CASE WHEN secret THEN NULL ELSE value END AS value,
    description,
    secret,
    version,
    created_at,
    updated_at
