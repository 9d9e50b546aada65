-- For the rest of the transaction: at most $1 milliseconds a statement. Answers what the role that asks could take on, or may
-- do, that it must not.
SELECT
    set_config('statement_timeout', $1, true),
    set_config('lock_timeout', '1000', true),
    ARRAY(
        SELECT format('REVOKE %I FROM mainstay_readonly', granted.rolname)
        FROM pg_auth_members AS m
        JOIN pg_roles AS granted ON granted.oid = m.roleid
        WHERE m.member = 'mainstay_readonly'::regrole
        UNION ALL
        SELECT 'ALTER ROLE mainstay_readonly NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS'
        FROM pg_roles AS r
        WHERE r.rolname = 'mainstay_readonly'
            AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls)
    ) AS mending
