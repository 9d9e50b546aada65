-- Drops the partitions of the logs in which everything is older than $1 days in the audit and $2 days in the access log,
-- and answers their names.
SELECT array_agg(name) AS names
FROM telemetry.drop_old_partitions($1, $2) AS name
