-- Since when the job $1 has run as often as it should, by the clock of the database, as it said itself: now, if there was a gap,
-- or the clock was changed; and whether that has been a day.
SELECT
    to_json(since.moment) #>> '{}' AS since,
    since.moment <= now() - interval '1 day' AS is_a_day
FROM (
    SELECT coalesce(
        (
            SELECT (j.last_result ->> 'steady_since')::timestamptz
            FROM ops.jobs AS j
            WHERE j.name = $1
                AND j.last_run_at BETWEEN now() - interval '3 hours' AND now()
                AND (j.last_result ->> 'steady_since')::timestamptz <= now()
        ),
        now()
    ) AS moment
) AS since
