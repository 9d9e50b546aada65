-- Makes the partitions of the logs that are missing, and answers their names.
SELECT array_agg(name) AS names
FROM telemetry.make_partitions() AS name
