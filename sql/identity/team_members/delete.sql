-- A member of a team is removed, by $1, if it still is at version $3.
DELETE FROM identity.team_members AS m
USING ops.actor($1)
WHERE m.id = ANY ($2)
    AND ($3::integer IS NULL OR m.version = $3)
RETURNING m.id
