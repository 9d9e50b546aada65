-- The secret $2 of the service $1 is the same, sealed again as $3 by the key $4, unless it has become another than $5.
UPDATE devx.services AS s
SET environment_secrets =
    s.environment_secrets || jsonb_build_object($2::text, jsonb_build_object('text', $3::text, 'key_id', $4::text))
WHERE s.id = $1
    AND s.environment_secrets -> $2 ->> 'text' = $5
