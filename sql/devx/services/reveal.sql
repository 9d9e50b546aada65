-- The environment of the service $2, for $1, with what is sealed in it, which is noted. Locked as if it were to be changed:
-- so it is found only by those who may change it.
WITH found AS (
    SELECT
        s.id,
        s.environment_vars,
        s.environment_secrets
    FROM devx.services AS s,
        ops.actor($1)
    WHERE s.id = $2
    FOR NO KEY UPDATE OF s
)
SELECT
    found.environment_vars,
    found.environment_secrets,
    devx.note_reveal(found.id)::text AS noted
FROM found
