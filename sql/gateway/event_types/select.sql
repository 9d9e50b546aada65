-- The types of events that happen here: what can be done to each table whose changes are in the audit.
SELECT
    class.relname || '.' || change.name AS type,
    class.relname AS resource
FROM pg_trigger AS audit
JOIN pg_class AS class ON class.oid = audit.tgrelid
JOIN (VALUES ('created', 4), ('deleted', 8), ('updated', 16), ('truncated', 32)) AS change(name, bit)
    ON audit.tgtype & change.bit <> 0
WHERE audit.tgfoid = 'telemetry.record_changes'::regproc
GROUP BY class.relname, change.name
ORDER BY type
