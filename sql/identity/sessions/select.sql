-- All sessions, without their tokens.
SELECT
    s.id,
    s.user_id,
    s.ip_address,
    s.user_agent,
    s.expires_at,
    s.revoked_at,
    s.last_seen_at,
    s.version,
    s.created_at,
    s.updated_at
FROM identity.sessions AS s
