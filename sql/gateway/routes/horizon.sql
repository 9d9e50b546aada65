-- How many routes there are in this transaction's view of them, and the oldest transaction that it does not see the end
-- of: whatever changes later is done by that one or by a later one.
SELECT
    count(*) AS count,
    pg_snapshot_xmin(pg_current_snapshot())::text AS horizon
FROM gateway.routes
