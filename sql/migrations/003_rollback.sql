-- Rollback Migration: Gateway
-- Version: 003
-- Description: Rollback the routes that gateways take, and the numbered configurations that they were part of
-- Created: 2026-11-21T00:00:00Z

DROP TABLE gateway.revisions;
DROP TABLE gateway.routes;

DROP FUNCTION gateway.notify_routes();

DROP SCHEMA gateway;
