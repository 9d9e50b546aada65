-- Rollback Migration: Entities
-- Version: 007
-- Description: Takes back what declared tables stand on; while there are such tables, it refuses
-- Created: 2026-11-21T00:00:00Z

-- Without CASCADE: a table that was declared, and what is in it, is nobody's to drop on the way.
DROP SCHEMA app;

DROP FUNCTION entities.purge(regclass, interval, integer);
DROP FUNCTION entities.release();
DROP FUNCTION entities.check_reference();
DROP FUNCTION entities.current_business_ids();

DROP TABLE entities.definitions;
DROP DOMAIN entities.secret;

DROP SCHEMA entities;
