-- For the rest of the transaction: at most $1 milliseconds a statement. Answers what the role that asks could take on, or may
-- do, that it must not.
SELECT
    set_config('statement_timeout', $1, true),
    set_config('lock_timeout', '1000', true),
    -- Names mean here what they mean where the question is answered.
    set_config(
        'search_path',
        (
            SELECT substr(setting, 13)
            FROM pg_proc AS p
            CROSS JOIN unnest(p.proconfig) AS setting
            WHERE p.oid = 'ops.answer(text)'::regprocedure
                AND setting LIKE 'search_path=%'
        ),
        true
    ),
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
