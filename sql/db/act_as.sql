-- From here to the end of the transaction as this user, in this role; the role 'none' is the connection's own.
SELECT
    set_config('app.current_user_id', $1, true),
    set_config('role', $2, true)
