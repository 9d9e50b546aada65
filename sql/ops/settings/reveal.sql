-- The value of the setting $2, for $1, sealed where it is secret: then it is noted that it is read.
WITH found AS (
    SELECT
        s.id,
        s.value,
        s.value_sealed,
        s.value_key_id
    FROM ops.settings AS s,
        ops.actor($1)
    WHERE s.id = $2
    FOR NO KEY UPDATE OF s
)
SELECT
    found.value,
    found.value_sealed,
    found.value_key_id,
    telemetry.note_reveal('settings', found.id)::text AS noted
FROM found
