-- Rows of the table $1 that have been deleted for more than $3 days are removed, $2 of them at most.
SELECT entities.purge($1::text::regclass, make_interval(days => $3), $2) AS count
