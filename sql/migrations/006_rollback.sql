-- Rollback Migration: DevX
-- Version: 006
-- Description: Rollback what is built here
-- Created: 2026-11-21T00:00:00Z

DROP TABLE devx.activity;
DROP TABLE devx.generation_events;
DROP TABLE devx.generation_history;
DROP TABLE devx.health_checks;
DROP TABLE devx.services;
DROP TABLE devx.projects;

DROP FUNCTION devx.protect_ownership();
DROP FUNCTION devx.current_owned_project_ids();
DROP FUNCTION devx.current_working_project_ids();
DROP FUNCTION devx.current_project_ids();
DROP FUNCTION devx.current_working_team_ids();
DROP FUNCTION devx.note_reveal(uuid);
DROP FUNCTION devx.record_activity();
DROP FUNCTION devx.record_generation();
DROP FUNCTION devx.keep_to_the_life_cycle();
DROP FUNCTION devx.note_deployment();
DROP FUNCTION devx.has_all_secrets(jsonb, jsonb);

DROP SCHEMA devx;
