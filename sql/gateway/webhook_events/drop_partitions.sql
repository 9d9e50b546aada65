-- Drops the partitions in which all events are older than $1 days, and answers their names.
SELECT array_agg(name) AS names
FROM telemetry.drop_partitions_of('gateway.webhook_events', make_interval(days => $1)) AS name
