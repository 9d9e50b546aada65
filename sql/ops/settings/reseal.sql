-- The value of the setting $1, whose key is $2, is the same, sealed again as $3 by the key $4, unless it has become another
-- than $5.
UPDATE ops.settings AS s
SET value_sealed = $3,
    value_key_id = $4
WHERE s.id = $1
    AND s.key = $2
    AND s.value_sealed = $5
