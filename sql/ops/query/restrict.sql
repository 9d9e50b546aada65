-- For the rest of the transaction: as a reader without secrets, for at most $1 milliseconds a statement.
SELECT
    set_config('statement_timeout', $1, true),
    set_config('lock_timeout', '1000', true),
    set_config('role', 'mainstay_readonly', true)
