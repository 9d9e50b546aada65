-- Of a setting, what $3 names is changed, by $1, if it still is at version $4.
UPDATE ops.settings AS s
SET (
    key,
    value,
    value_sealed,
    value_key_id,
    description,
    secret
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.key,
        new.value,
        new.value_sealed,
        new.value_key_id,
        new.description,
        -- What was kept secret stays so until there is another value: otherwise this would be the way to read it.
        new.secret OR (s.secret AND NOT $3 ? 'value')
    FROM jsonb_populate_record(s, $3) AS new
)
FROM ops.actor($1)
WHERE s.id = ANY ($2)
    AND ($4::integer IS NULL OR s.version = $4)
RETURNING
    s.id,
    s.key,
    CASE WHEN s.secret THEN NULL ELSE s.value END AS value,
    s.description,
    s.secret,
    s.version,
    s.created_at,
    s.updated_at
