-- One request at a time with the same key of the same credential; false if another is being answered.
SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0)) AS is_free
