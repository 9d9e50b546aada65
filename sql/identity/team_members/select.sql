-- All members of teams.
SELECT
    m.id,
    m.team_id,
    m.user_id,
    m.role,
    m.accepted_at,
    identity.member_name(m) AS user_name,
    m.version,
    m.created_at,
    m.updated_at
FROM identity.team_members AS m
