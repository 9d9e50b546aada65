-- Whether nobody else is applying a configuration; until the transaction ends, nobody else is.
SELECT pg_try_advisory_xact_lock(hashtextextended('mainstay applies a configuration', 0))
