-- A user is invited to a team by $1, or added by an administrator.
INSERT INTO identity.team_members AS m (
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
    m.id,
    m.team_id,
    m.user_id,
    m.role,
    m.accepted_at,
    identity.member_name(m) AS user_name,
    m.version,
    m.created_at,
    m.updated_at
