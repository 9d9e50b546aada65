-- The id of the transaction that is open, if it has changed anything.
SELECT pg_current_xact_id_if_assigned()::text AS transaction_id
