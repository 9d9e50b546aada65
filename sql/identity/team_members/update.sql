-- Of a membership, what $3 names is changed, by $1, if it still is at version $4.
UPDATE identity.team_members AS m
SET (
    role
) = (
    -- Computed from the row as it is when it is written, so that two changes of different columns at once both stay.
    SELECT
        new.role
    FROM jsonb_populate_record(m, $3) AS new
)
FROM ops.actor($1)
WHERE m.id = ANY ($2)
    AND ($4::integer IS NULL OR m.version = $4)
RETURNING
    m.id,
    m.team_id,
    m.user_id,
    m.role,
    m.accepted_at,
    identity.member_name(m) AS user_name,
    m.version,
    m.created_at,
    m.updated_at
