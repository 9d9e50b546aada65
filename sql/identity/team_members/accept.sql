-- The user $2, whom $1 is, accepts the invitation $3. To accept twice is no mistake.
UPDATE identity.team_members AS m
SET accepted_at = coalesce(m.accepted_at, now())
FROM ops.actor($1)
WHERE m.id = $3
    AND m.user_id = $2
RETURNING m.id
