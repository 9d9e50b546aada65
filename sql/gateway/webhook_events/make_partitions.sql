-- Makes the partitions of events that are missing, and answers their names.
SELECT array_agg(name) AS names
FROM telemetry.make_partitions_of('gateway.webhook_events', 'day', 30) AS name
