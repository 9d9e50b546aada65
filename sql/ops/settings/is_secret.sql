-- Whether the value of the setting $1 is sealed.
SELECT s.secret
FROM ops.settings AS s
WHERE s.id = $1
