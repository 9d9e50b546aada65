-- A user joins a team, added by $1.
INSERT INTO identity.team_members (
    team_id,
    user_id,
    role
)
SELECT
    new.team_id,
    new.user_id,
    new.role
FROM ops.actor($1),
    jsonb_populate_record(NULL::identity.team_members, $2) AS new
RETURNING
    id,
    team_id,
    user_id,
    role,
    version,
    created_at,
    updated_at
