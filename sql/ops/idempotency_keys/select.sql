-- The reply that a key was given, if it has not been forgotten.
SELECT
    request_hash,
    response_status,
    response_headers,
    response_body
FROM ops.idempotency_keys
WHERE credential_id = $1
  AND key = $2
  AND expires_at > now()
