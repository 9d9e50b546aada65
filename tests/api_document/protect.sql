-- For the test alone: whoever calls stays who they are. Otherwise the first request that deletes all administrators, or
-- revokes all keys, would be the last that says anything about the endpoints behind it.

CREATE FUNCTION identity.protect_caller()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the caller of the test must stay';
END
$$;

CREATE TRIGGER protect_caller
BEFORE DELETE ON identity.users
FOR EACH ROW
WHEN (OLD.email LIKE '%@caller.example.org')
EXECUTE FUNCTION identity.protect_caller();

CREATE TRIGGER protect_caller_from_change
BEFORE UPDATE OF email, password_hash, role, status ON identity.users
FOR EACH ROW
WHEN (
    OLD.email LIKE '%@caller.example.org'
    AND (OLD.email, OLD.password_hash, OLD.role, OLD.status)
        IS DISTINCT FROM (NEW.email, NEW.password_hash, NEW.role, NEW.status)
)
EXECUTE FUNCTION identity.protect_caller();

CREATE TRIGGER protect_caller
BEFORE DELETE OR UPDATE OF permissions, expires_at, revoked_at, replaced_by ON identity.api_keys
FOR EACH ROW
WHEN (OLD.name = 'the key of the test')
EXECUTE FUNCTION identity.protect_caller();

-- And what the test cannot make, because it is seen from outside.
WITH service AS (
    INSERT INTO devx.services (name, slug, user_id)
    SELECT 'Seen', 'seen', id FROM identity.users WHERE email LIKE '%@caller.example.org'
    RETURNING id
)
INSERT INTO devx.health_checks (service_id, status)
SELECT id, 'UP' FROM service;
