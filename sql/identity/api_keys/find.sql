-- The API keys whose id or prefix $1 is; a prefix may be the start of more than one.
SELECT
    k.id,
    k.name
FROM identity.api_keys AS k
WHERE k.prefix = $1
    OR k.id::text = lower($1)
LIMIT 2
