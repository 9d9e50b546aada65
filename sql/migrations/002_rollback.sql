-- Rollback Migration: Telemetry
-- Version: 002
-- Description: Rollback who changed what, who called what, how the platform feels, and what its users are told
-- Created: 2026-11-21T00:00:00Z

DO $$
DECLARE
    audited regclass;
    event text;
BEGIN
    FOREACH audited IN ARRAY ARRAY[
        'identity.users',
        'identity.teams',
        'identity.team_members',
        'identity.api_keys',
        'ops.settings'
    ]::regclass[] LOOP
        FOREACH event IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', 'audit_' || event, audited);
        END LOOP;
    END LOOP;
END
$$;

DROP VIEW telemetry.activity_logs;
DROP FUNCTION telemetry.activity();

DROP TRIGGER tell_of_invitation ON identity.team_members;
DROP FUNCTION telemetry.tell_of_invitation();
DROP FUNCTION telemetry.note_reveal(text, uuid);

DROP TABLE telemetry.notifications;
DROP TABLE telemetry.performance_metrics;
DROP TABLE telemetry.system_metrics;
DROP TABLE telemetry.api_access_logs;
DROP TABLE telemetry.audit_logs;

DROP FUNCTION telemetry.audit(regclass, text[], text[], text);
DROP FUNCTION telemetry.record_changes();
DROP FUNCTION telemetry.changes(jsonb, jsonb, text[], text[], text);
DROP FUNCTION telemetry.shown(jsonb, boolean);
DROP FUNCTION telemetry.actor();
DROP FUNCTION telemetry.make_today(regclass, text);
DROP FUNCTION telemetry.make_partitions(integer, integer);
DROP FUNCTION telemetry.make_partitions_of(regclass, text, integer);

DROP SCHEMA telemetry;
