-- Migration: Entities
-- Version: 007
-- Description: Tables that teams declare: where they are, what is known of them, and what their rules stand on
-- Created: 2026-11-21T00:00:00Z

CREATE SCHEMA entities;
COMMENT ON SCHEMA entities IS 'What is known of the tables that teams declare';

CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'The tables that teams declare';

GRANT USAGE ON SCHEMA entities, app TO authenticated_users, mainstay_readonly;

-- A type of its own, so that no secret column can become a plain one, or the other way round, without anybody noticing.
-- What it must look like is a rule of each column, which tables can look at while they are in use.
CREATE DOMAIN entities.secret AS text;
COMMENT ON DOMAIN entities.secret IS 'A text that is encrypted';

CREATE TABLE entities.definitions (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    declaration jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT definitions_name_is_unique UNIQUE (name),
    CONSTRAINT definitions_name_is_a_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT definitions_declaration_is_an_object CHECK (jsonb_typeof(declaration) = 'object')
);
COMMENT ON TABLE entities.definitions IS 'The declarations that tables in schema app were last made or changed from';

CREATE TRIGGER touch
BEFORE UPDATE ON entities.definitions
FOR EACH ROW EXECUTE FUNCTION ops.touch();

SELECT telemetry.audit('entities.definitions');

GRANT SELECT ON entities.definitions TO mainstay_readonly;

CREATE FUNCTION entities.current_business_ids()
RETURNS SETOF uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT team_id
    FROM identity.team_members
    WHERE user_id = identity.current_user_id()
        AND role <> 'VIEWER'
        AND accepted_at IS NOT NULL
$$;
COMMENT ON FUNCTION entities.current_business_ids() IS
'The businesses whose rows that user changes: the teams that they do more in than look';

-- References. A row that is deleted and kept is, to those who refer to it, gone: PostgreSQL's own references know nothing
-- of that, nor of businesses.

-- Arguments: the column; the table that it refers to; the reference's name; what must be true of the row that is referred
-- to, where $2 is the business of the one that refers.
CREATE FUNCTION entities.check_reference()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    later constant jsonb := to_jsonb(NEW);
    referred constant uuid := later ->> TG_ARGV[0];
    lock constant text := CASE current_setting('transaction_isolation')
        WHEN 'read committed' THEN 'KEY SHARE'
        ELSE 'SHARE'
    END;
    is_right boolean;
BEGIN
    IF referred IS NULL OR later ->> 'deleted_at' IS NOT NULL THEN
        RETURN NEW;
    END IF;
    -- Whoever deletes that row in this moment waits for us, or we for them; who changes it does not. A transaction that looks
    -- at what was when it began sees no deletion since, so there both wait.
    EXECUTE format('SELECT FROM %s WHERE id = $1 FOR %s', TG_ARGV[1], lock) USING referred;
    -- By a statement of its own, which sees what was waited for.
    EXECUTE format('SELECT %s FROM %s AS referred WHERE referred.id = $1', TG_ARGV[3], TG_ARGV[1])
    INTO is_right
    USING referred, (later ->> 'business_id')::uuid;
    -- Of a row that was never there, the reference itself says so.
    IF NOT is_right THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('%s.%s refers to a row of %s that is deleted or another''s', TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[1]),
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = TG_ARGV[2];
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION entities.check_reference() IS 'BEFORE INSERT OR UPDATE: refuses to refer to a row that is deleted';

-- What a reference says about deleting happens when a row is marked as deleted; it happens again, to nobody, when the row
-- is purged.
CREATE FUNCTION entities.release()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reference record;
    is_there boolean;
BEGIN
    -- Marked or gone is the same to those who are about to refer to it.
    EXECUTE format('SELECT FROM %s WHERE id = $1 FOR UPDATE', TG_RELID::regclass) USING OLD.id;
    FOR reference IN
        SELECT
            link.conname,
            link.confdeltype,
            namespace.nspname,
            class.relname,
            format('%I.%I', namespace.nspname, class.relname) AS name,
            (SELECT attname FROM pg_attribute WHERE attrelid = class.oid AND attnum = link.conkey[1]) AS attname,
            EXISTS (
                SELECT
                FROM pg_attribute
                WHERE attrelid = class.oid
                    AND attname = 'deleted_at'
                    AND NOT attisdropped
            ) AS keeps_deleted
        FROM pg_constraint AS link
        JOIN pg_class AS class ON class.oid = link.conrelid
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE link.confrelid = TG_RELID
            AND link.contype = 'f'
        -- Those that refuse come first: what they find has not been changed by the others.
        ORDER BY link.confdeltype NOT IN ('a', 'r'), link.conname
    LOOP
        CASE
            WHEN reference.confdeltype IN ('a', 'r') THEN
                EXECUTE format(
                    'SELECT EXISTS (SELECT FROM %s WHERE %I = $1%s)',
                    reference.name,
                    reference.attname,
                    CASE WHEN reference.keeps_deleted THEN ' AND deleted_at IS NULL' END
                )
                INTO is_there
                USING OLD.id;
                IF is_there THEN
                    RAISE foreign_key_violation USING
                        MESSAGE = format('rows of %s refer to this row of %s', reference.name, TG_TABLE_NAME),
                        SCHEMA = reference.nspname,
                        TABLE = reference.relname,
                        CONSTRAINT = reference.conname;
                END IF;
            WHEN reference.confdeltype = 'c' AND reference.keeps_deleted THEN
                EXECUTE format(
                    'UPDATE %s SET deleted_at = $2 WHERE %I = $1 AND deleted_at IS NULL',
                    reference.name,
                    reference.attname
                )
                USING OLD.id, NEW.deleted_at;
            WHEN reference.confdeltype = 'c' THEN
                EXECUTE format('DELETE FROM %s WHERE %I = $1', reference.name, reference.attname) USING OLD.id;
            ELSE
                EXECUTE format('UPDATE %s SET %I = NULL WHERE %I = $1', reference.name, reference.attname, reference.attname)
                USING OLD.id;
        END CASE;
    END LOOP;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION entities.release() IS
'AFTER a row was marked as deleted: does to those who refer to it what their references say';

-- One row after the other only where one of them is in the way of all.
CREATE FUNCTION entities.purge(purged regclass, retention interval, rows_max integer DEFAULT 1000)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    count bigint;
    total bigint := 0;
    ids uuid[];
    candidate uuid;
BEGIN
    EXECUTE format(
        'SELECT array_agg(id) FROM (SELECT id FROM %s WHERE deleted_at < now() - $1 ORDER BY deleted_at, id LIMIT $2) AS t',
        purged
    )
    INTO ids
    USING retention, rows_max;
    BEGIN
        EXECUTE format('DELETE FROM %s WHERE id = ANY ($1) AND deleted_at < now() - $2', purged) USING ids, retention;
        GET DIAGNOSTICS total = ROW_COUNT;
    EXCEPTION
        WHEN foreign_key_violation THEN
            FOREACH candidate IN ARRAY ids LOOP
                BEGIN
                    EXECUTE format('DELETE FROM %s WHERE id = $1 AND deleted_at < now() - $2', purged)
                    USING candidate, retention;
                    GET DIAGNOSTICS count = ROW_COUNT;
                    total := total + count;
                EXCEPTION
                    -- Somebody who is deleted, too, but not as long, still refers to it.
                    WHEN foreign_key_violation THEN
                        NULL;
                END;
            END LOOP;
    END;
    RETURN total;
END
$$;
COMMENT ON FUNCTION entities.purge(regclass, interval, integer) IS
'Removes rows that have been deleted for so long, and that nobody refers to; answers how many';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA entities FROM PUBLIC;
GRANT EXECUTE ON FUNCTION entities.current_business_ids() TO authenticated_users;
