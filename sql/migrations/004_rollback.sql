-- Rollback Migration: Webhooks
-- Version: 004
-- Description: Rollback who is told what happens here, what has happened, and what became of telling them
-- Created: 2026-11-21T00:00:00Z

DROP TRIGGER record_events ON telemetry.audit_logs;

DROP TABLE gateway.webhook_deliveries;
DROP TABLE gateway.webhook_events;
DROP TABLE gateway.webhooks;

DROP FUNCTION gateway.record_events();
DROP FUNCTION gateway.remove_deliveries();
DROP FUNCTION gateway.count_deliveries();
DROP FUNCTION gateway.event_status(bigint, bigint, bigint, bigint);
DROP FUNCTION gateway.are_event_patterns(text[]);
DROP FUNCTION gateway.event_patterns(text);
