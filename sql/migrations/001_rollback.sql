-- Rollback Migration: Identity
-- Version: 001
-- Description: Rollback who may do what
-- Created: 2026-11-21T00:00:00Z

DROP TABLE identity.api_keys;
DROP FUNCTION identity.member_name(identity.team_members);
DROP TABLE identity.team_members;
DROP TABLE identity.teams;
DROP TABLE identity.sessions;
DROP TABLE identity.user_tokens;
DROP TABLE identity.users;

DROP FUNCTION identity.notify_callers();
DROP FUNCTION identity.protect_api_key();
DROP FUNCTION identity.covers(text[], text[]);
DROP FUNCTION identity.protect_user();
DROP FUNCTION identity.protect_membership();
DROP FUNCTION identity.make_creator_owner();
DROP FUNCTION identity.current_invitation_team_ids();
DROP FUNCTION identity.current_owned_team_ids();
DROP FUNCTION identity.current_team_ids();
DROP FUNCTION identity.current_user_is_admin();
DROP FUNCTION identity.current_user_id();
DROP FUNCTION identity.generate_api_key(text, text, jsonb, timestamptz);
DROP FUNCTION identity.base62(bytea, integer);
DROP FUNCTION identity.are_permissions(text[]);

DROP SCHEMA identity;
