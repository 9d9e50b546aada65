-- Adds the figures in the list $1, all measured now.
INSERT INTO telemetry.system_metrics (
    name,
    value,
    labels
)
SELECT
    new.name,
    new.value,
    new.labels
FROM jsonb_to_recordset($1) AS new (
    name text,
    value double precision,
    labels jsonb
)
