-- A new setting, made by $1. Its id comes with it: its value is sealed for that, where it is secret.
INSERT INTO ops.settings (
    id,
    key,
    value,
    value_sealed,
    value_key_id,
    description,
    secret
)
SELECT
    new.id,
    new.key,
    new.value,
    new.value_sealed,
    new.value_key_id,
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
