-- Keeps a reply for its key. A key whose time is over, and which the cleaning has not met yet, is used anew.
INSERT INTO ops.idempotency_keys (
    credential_id,
    key,
    request_hash,
    response_status,
    response_headers,
    response_body
)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT ON CONSTRAINT idempotency_keys_credential_and_key_are_unique DO UPDATE
SET request_hash = excluded.request_hash,
    response_status = excluded.response_status,
    response_headers = excluded.response_headers,
    response_body = excluded.response_body,
    expires_at = excluded.expires_at
