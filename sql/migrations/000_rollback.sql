-- Rollback Migration: Ops
-- Version: 000
-- Description: Rollback what all other schemas stand on
-- Created: 2026-11-21T00:00:00Z

DROP TABLE ops.maintenance_runs;
DROP TABLE ops.jobs;
DROP TABLE ops.idempotency_keys;
DROP TABLE ops.settings;

DROP FUNCTION ops.answer(text);
DROP FUNCTION ops.touch();
DROP FUNCTION ops.trigrams(text);
DROP FUNCTION ops.actor(jsonb);
DROP FUNCTION ops.uuid_v7();

DROP SCHEMA ops;

DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I RESET search_path', current_database());
EXCEPTION
    WHEN insufficient_privilege THEN
        NULL;
END
$$;

-- The roles stay: they belong to the whole cluster, and another database may use them, or be about to. Without a login
-- and without grants they can do nothing.
