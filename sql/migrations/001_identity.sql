-- Migration: Identity
-- Version: 001
-- Description: Who may do what: users, their teams, sessions and API keys, and the row-level security that keeps them apart
-- Created: 2026-11-21T00:00:00Z

CREATE SCHEMA identity;
COMMENT ON SCHEMA identity IS 'Who may do what: users, their teams, sessions and API keys';

CREATE FUNCTION identity.are_permissions(permissions text[])
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT cardinality(permissions) <= 100
        AND coalesce(array_ndims(permissions), 1) = 1
        AND coalesce(
            bool_and(coalesce(permission ~ '^(admin|(read|write):([*]|[a-z0-9_-]{1,63}))$', false)),
            true
        )
    FROM unnest(permissions) AS permission
$$;
COMMENT ON FUNCTION identity.are_permissions(text[]) IS 'Whether each has the form of a permission';

CREATE TABLE identity.users (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    email text NOT NULL,
    password_hash text,
    name text NOT NULL DEFAULT '',
    phone_number text,
    kind text NOT NULL DEFAULT 'PERSON',
    role text NOT NULL DEFAULT 'USER',
    grants text[] NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'PENDING_VERIFICATION',
    enabled boolean NOT NULL GENERATED ALWAYS AS (status = 'ACTIVE') STORED,
    sso_provider text,
    sso_subject text,
    failed_logins integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    last_login timestamptz,
    password_changed_at timestamptz,
    email_verified_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_sso_subject_is_unique UNIQUE (sso_provider, sso_subject),
    CONSTRAINT users_email_has_the_form_of_one CHECK (email ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'),
    CONSTRAINT users_email_has_at_most_254_characters CHECK (char_length(email) <= 254),
    CONSTRAINT users_password_hash_is_bcrypt CHECK (password_hash ~ '^[$]2[aby][$][0-9]{2}[$][./A-Za-z0-9]{53}$'),
    CONSTRAINT users_name_has_at_most_255_characters CHECK (char_length(name) <= 255),
    CONSTRAINT users_phone_number_has_the_form_of_one CHECK (phone_number ~ '^[+]?[0-9][0-9 ()./-]{2,31}$'),
    CONSTRAINT users_kind_is_known CHECK (kind IN ('PERSON', 'SERVICE')),
    CONSTRAINT users_role_is_known CHECK (role IN ('ADMIN', 'USER', 'VIEWER')),
    CONSTRAINT users_grants_are_permissions CHECK (identity.are_permissions(grants) AND NOT 'admin' = ANY (grants)),
    CONSTRAINT users_services_never_log_in CHECK (kind = 'PERSON' OR password_hash IS NULL AND sso_subject IS NULL),
    CONSTRAINT users_status_is_known CHECK (status IN ('ACTIVE', 'INACTIVE', 'SUSPENDED', 'PENDING_VERIFICATION')),
    CONSTRAINT users_sso_has_provider_and_subject CHECK ((sso_provider IS NULL) = (sso_subject IS NULL)),
    CONSTRAINT users_sso_has_1_to_255_characters CHECK (
        char_length(sso_provider) BETWEEN 1 AND 255
        AND char_length(sso_subject) BETWEEN 1 AND 255
    ),
    CONSTRAINT users_failed_logins_is_not_negative CHECK (failed_logins >= 0),
    CONSTRAINT users_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object')
);
COMMENT ON TABLE identity.users IS 'People and machines who may call';
COMMENT ON COLUMN identity.users.email IS 'As it was typed; two that differ in case only are the same';
COMMENT ON COLUMN identity.users.password_hash IS 'bcrypt; nobody who comes by single sign-on has one';
COMMENT ON COLUMN identity.users.kind IS 'A SERVICE is a machine: it has API keys and never logs in';
COMMENT ON COLUMN identity.users.grants IS 'Permissions beside those of the role, given by an administrator';
COMMENT ON COLUMN identity.users.enabled IS 'Whether the user may call at all';
COMMENT ON COLUMN identity.users.failed_logins IS 'Wrong passwords in a row';

CREATE UNIQUE INDEX users_email_is_unique ON identity.users (lower(email));
CREATE INDEX users_email ON identity.users (email, id);
CREATE INDEX users_name ON identity.users (name, id);
CREATE INDEX users_kind ON identity.users (kind, id);
CREATE INDEX users_role ON identity.users (role, id);
CREATE INDEX users_status ON identity.users (status, id);
CREATE INDEX users_created_at ON identity.users (created_at, id);
CREATE INDEX users_updated_at ON identity.users (updated_at, id);
CREATE INDEX users_metadata ON identity.users USING gin (metadata jsonb_path_ops);
CREATE INDEX users_email_trigrams ON identity.users USING gin (ops.trigrams(email));
CREATE INDEX users_name_trigrams ON identity.users USING gin (ops.trigrams(name));

-- Coming and going is no new version of a user: whoever edits the row meanwhile has not lost anything. So the columns
-- that a login writes are not among these.
CREATE TRIGGER touch
BEFORE UPDATE OF
    id,
    email,
    password_hash,
    name,
    phone_number,
    role,
    status,
    sso_provider,
    sso_subject,
    password_changed_at,
    email_verified_at,
    metadata,
    version,
    created_at,
    updated_at
ON identity.users
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE identity.user_tokens (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    user_id uuid NOT NULL,
    kind text NOT NULL,
    token_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_tokens_token_hash_is_unique UNIQUE (token_hash),
    CONSTRAINT user_tokens_user_exists FOREIGN KEY (user_id) REFERENCES identity.users (id) ON DELETE CASCADE,
    CONSTRAINT user_tokens_kind_is_known CHECK (kind IN ('VERIFY_EMAIL', 'RESET_PASSWORD')),
    CONSTRAINT user_tokens_token_hash_is_sha256 CHECK (octet_length(token_hash) = 32)
);
COMMENT ON TABLE identity.user_tokens IS 'What is sent by mail to prove that somebody reads it; each works once';

CREATE INDEX user_tokens_user_id ON identity.user_tokens (user_id);
CREATE INDEX user_tokens_expires_at ON identity.user_tokens (expires_at);

CREATE TRIGGER touch
BEFORE UPDATE ON identity.user_tokens
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE identity.sessions (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    user_id uuid NOT NULL,
    token bytea NOT NULL,
    family bytea NOT NULL,
    ip_address inet,
    user_agent text,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sessions_token_is_unique UNIQUE (token),
    CONSTRAINT sessions_family_is_unique UNIQUE (family),
    CONSTRAINT sessions_user_exists FOREIGN KEY (user_id) REFERENCES identity.users (id) ON DELETE CASCADE,
    CONSTRAINT sessions_token_is_sha256 CHECK (octet_length(token) = 32),
    CONSTRAINT sessions_family_is_sha256 CHECK (octet_length(family) = 32),
    CONSTRAINT sessions_user_agent_has_at_most_1024_characters CHECK (char_length(user_agent) <= 1024)
);
COMMENT ON TABLE identity.sessions IS 'Logins, each of which ends when it expires, is revoked, or is removed';
COMMENT ON COLUMN identity.sessions.token IS 'SHA-256 of the refresh token';
COMMENT ON COLUMN identity.sessions.family IS
'SHA-256 of what all its refresh tokens begin with: whoever brings another than the last has a copy';

CREATE INDEX sessions_user_id ON identity.sessions (user_id, id);
CREATE INDEX sessions_ip_address ON identity.sessions (ip_address, id);
CREATE INDEX sessions_expires_at ON identity.sessions (expires_at, id);

CREATE TRIGGER touch
BEFORE UPDATE ON identity.sessions
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE identity.teams (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    slug text NOT NULL,
    created_by uuid,
    metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT teams_slug_is_unique UNIQUE (slug),
    CONSTRAINT teams_creator_exists FOREIGN KEY (created_by) REFERENCES identity.users (id) ON DELETE SET NULL,
    CONSTRAINT teams_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT teams_slug_is_lower_case_words CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT teams_slug_has_at_most_63_characters CHECK (char_length(slug) <= 63),
    CONSTRAINT teams_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object')
);
COMMENT ON TABLE identity.teams IS 'Users who share what they own';

CREATE INDEX teams_name ON identity.teams (name, id);
CREATE INDEX teams_created_by ON identity.teams (created_by);
CREATE INDEX teams_name_trigrams ON identity.teams USING gin (ops.trigrams(name));
CREATE INDEX teams_metadata ON identity.teams USING gin (metadata jsonb_path_ops);
CREATE INDEX teams_created_at ON identity.teams (created_at, id);
CREATE INDEX teams_updated_at ON identity.teams (updated_at, id);

CREATE TRIGGER touch
BEFORE UPDATE ON identity.teams
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE identity.team_members (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    team_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL DEFAULT 'MEMBER',
    accepted_at timestamptz DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT team_members_user_is_in_a_team_once UNIQUE (team_id, user_id),
    CONSTRAINT team_members_team_exists FOREIGN KEY (team_id) REFERENCES identity.teams (id) ON DELETE CASCADE,
    CONSTRAINT team_members_user_exists FOREIGN KEY (user_id) REFERENCES identity.users (id) ON DELETE CASCADE,
    CONSTRAINT team_members_role_is_known CHECK (role IN ('OWNER', 'MEMBER', 'VIEWER'))
);
COMMENT ON TABLE identity.team_members IS 'Who is in which team, and who was invited';
COMMENT ON COLUMN identity.team_members.accepted_at IS
'When the user agreed: before that they are invited, and nothing of the team is theirs nor of theirs the team''s';

CREATE INDEX team_members_user_id ON identity.team_members (user_id, id);

CREATE TRIGGER touch
BEFORE UPDATE ON identity.team_members
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE TABLE identity.api_keys (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    user_id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    key_hash bytea NOT NULL,
    permissions text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    revoked_at timestamptz,
    replaced_by uuid,
    last_used_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT api_keys_key_hash_is_unique UNIQUE (key_hash),
    CONSTRAINT api_keys_user_exists FOREIGN KEY (user_id) REFERENCES identity.users (id) ON DELETE CASCADE,
    CONSTRAINT api_keys_replacement_exists FOREIGN KEY (replaced_by) REFERENCES identity.api_keys (id)
        ON DELETE SET NULL,
    CONSTRAINT api_keys_replacement_is_another CHECK (replaced_by <> id),
    CONSTRAINT api_keys_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT api_keys_prefix_is_the_start_of_a_key CHECK (prefix ~ '^ctm_[0-9A-Za-z]{8}$'),
    CONSTRAINT api_keys_key_hash_is_sha256 CHECK (octet_length(key_hash) = 32),
    CONSTRAINT api_keys_permissions_are_permissions CHECK (identity.are_permissions(permissions)),
    CONSTRAINT api_keys_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object')
);
COMMENT ON TABLE identity.api_keys IS 'What programs call with, in the name of a user and never with more than their rights';
COMMENT ON COLUMN identity.api_keys.prefix IS 'The first 12 characters of the key, to tell one from another';
COMMENT ON COLUMN identity.api_keys.key_hash IS 'SHA-256 of the whole key; the key itself is shown once and kept nowhere';
COMMENT ON COLUMN identity.api_keys.replaced_by IS 'The key that a rotation made; both work until this one expires';
COMMENT ON COLUMN identity.api_keys.last_used_at IS 'Written once a minute at most';

CREATE INDEX api_keys_user_id ON identity.api_keys (user_id, id);
CREATE INDEX api_keys_name ON identity.api_keys (name, id);
CREATE INDEX api_keys_prefix ON identity.api_keys (prefix, id);
CREATE INDEX api_keys_expires_at ON identity.api_keys (expires_at, id) WHERE expires_at IS NOT NULL;
CREATE INDEX api_keys_replaced_by ON identity.api_keys (replaced_by);

-- Being used is no new version of a key.
CREATE TRIGGER touch
BEFORE UPDATE OF
    id,
    user_id,
    name,
    prefix,
    key_hash,
    permissions,
    expires_at,
    revoked_at,
    replaced_by,
    metadata,
    version,
    created_at,
    updated_at
ON identity.api_keys
FOR EACH ROW EXECUTE FUNCTION ops.touch();

-- API keys, as src/identity/key.rs makes them.

CREATE FUNCTION identity.base62(bytes bytea, width integer)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
STRICT
PARALLEL SAFE
AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    number numeric := 0;
    result text := '';
BEGIN
    FOR position IN 0 .. octet_length(bytes) - 1 LOOP
        number := number * 256 + get_byte(bytes, position);
    END LOOP;
    FOR position IN 1 .. width LOOP
        result := substr(digits, mod(number, 62)::integer + 1, 1) || result;
        number := div(number, 62);
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION identity.base62(bytea, integer) IS 'The bytes as one number, highest first, in so many digits';

-- As the CI/CD system's own: generate_api_key('My API Key', 'user@company.com', '["read:tasks"]') answers an object.
CREATE FUNCTION identity.generate_api_key(
    name text,
    for_user text,
    permissions jsonb DEFAULT '[]',
    expires_at timestamptz DEFAULT NULL
)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    -- Each of the three has 122 random bits, from the same source as a session's secret; the hash makes 256 of them.
    random constant bytea := sha256(
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    );
    body constant text := 'ctm_' || identity.base62(random, 43);
    checksum constant bytea := substring(sha256(convert_to(body, 'UTF8')) FROM 1 FOR 4);
    key constant text := body || identity.base62(checksum, 6);
    owner uuid;
    made identity.api_keys;
BEGIN
    SELECT u.id
    INTO owner
    FROM identity.users AS u
    WHERE u.id::text = lower(for_user)
        OR lower(u.email) = lower(for_user);
    IF owner IS NULL THEN
        RAISE 'there is no user %', for_user
            USING ERRCODE = 'no_data_found', HINT = 'Give the id or the e-mail address of a user.';
    END IF;
    INSERT INTO identity.api_keys (
        user_id,
        name,
        prefix,
        key_hash,
        permissions,
        expires_at
    )
    VALUES (
        owner,
        generate_api_key.name,
        left(key, 12),
        sha256(convert_to(key, 'UTF8')),
        ARRAY(SELECT jsonb_array_elements_text(generate_api_key.permissions)),
        generate_api_key.expires_at
    )
    RETURNING *
    INTO made;
    RETURN jsonb_build_object(
        'id', made.id,
        'api_key', key,
        'prefix', made.prefix,
        'name', made.name,
        'user_id', made.user_id,
        'permissions', to_jsonb(made.permissions),
        'expires_at', made.expires_at
    );
END
$$;
COMMENT ON FUNCTION identity.generate_api_key(text, text, jsonb, timestamptz) IS
'Makes an API key for a user, by id or e-mail address, and answers it, this once: only its hash is kept';

-- Who is calling, for the policies. These run with the rights of the tables' owner, so that a policy which asks about a
-- table does not ask the policies of that table in turn.

CREATE FUNCTION identity.current_user_id()
RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
    -- A setting that has once been set in a session is empty after its transaction, no longer missing.
    SELECT nullif(current_setting('app.current_user_id', true), '')::uuid
$$;
COMMENT ON FUNCTION identity.current_user_id() IS 'The user in whose name this transaction acts; nobody, if none is named';

CREATE FUNCTION identity.current_user_is_admin()
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT
        FROM identity.users
        WHERE id = identity.current_user_id()
            AND role = 'ADMIN'
            AND status = 'ACTIVE'
    )
$$;
COMMENT ON FUNCTION identity.current_user_is_admin() IS 'Whether that user is an administrator, and active';

CREATE FUNCTION identity.current_team_ids()
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
        AND accepted_at IS NOT NULL
$$;
COMMENT ON FUNCTION identity.current_team_ids() IS 'The teams that user is in';

CREATE FUNCTION identity.current_owned_team_ids()
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
        AND role = 'OWNER'
        AND accepted_at IS NOT NULL
$$;
COMMENT ON FUNCTION identity.current_owned_team_ids() IS 'The teams that user is an owner of';

CREATE FUNCTION identity.current_invitation_team_ids()
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
        AND accepted_at IS NULL
$$;
COMMENT ON FUNCTION identity.current_invitation_team_ids() IS 'The teams that user is invited to';

CREATE FUNCTION identity.member_name(member identity.team_members)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.name
    FROM identity.users AS u
    WHERE u.id = member.user_id
        AND member.accepted_at IS NOT NULL
$$;
COMMENT ON FUNCTION identity.member_name(identity.team_members) IS
'What team mates see of each other, once both have agreed: no more than this';

-- Triggers.

CREATE FUNCTION identity.make_creator_owner()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- With the rights of the tables' owner: only an owner may add members, and there is none yet.
    INSERT INTO identity.team_members (team_id, user_id, role)
    VALUES (NEW.id, NEW.created_by, 'OWNER');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION identity.make_creator_owner() IS 'AFTER INSERT: whoever made a team owns it';

CREATE TRIGGER make_creator_owner
AFTER INSERT ON identity.teams
FOR EACH ROW
WHEN (NEW.created_by IS NOT NULL)
EXECUTE FUNCTION identity.make_creator_owner();

-- Policies know rows, not columns: whoever may touch a membership may touch only what is theirs in it.
-- Stable: what one statement changes of several members is judged by what was before it.
CREATE FUNCTION identity.protect_membership()
RETURNS trigger
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF current_user <> 'authenticated_users' OR identity.current_user_is_admin() THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- Whoever is named by somebody else is asked first.
        NEW.accepted_at := NULL;
    ELSIF NEW.user_id <> OLD.user_id OR NEW.team_id <> OLD.team_id
        OR NEW.accepted_at IS DISTINCT FROM OLD.accepted_at AND OLD.user_id IS DISTINCT FROM identity.current_user_id()
        OR NEW.role <> OLD.role AND OLD.team_id NOT IN (SELECT identity.current_owned_team_ids()) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'only the invited user accepts, and only an owner of the team changes the role of a member',
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION identity.protect_membership() IS
'BEFORE INSERT OR UPDATE: a member is invited first, and accepts in person';

CREATE TRIGGER protect_membership
BEFORE INSERT OR UPDATE ON identity.team_members
FOR EACH ROW EXECUTE FUNCTION identity.protect_membership();

-- Policies know rows, not columns: that a user may change their own row must not let them become an administrator.
CREATE FUNCTION identity.protect_user()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF current_user = 'authenticated_users' AND NOT identity.current_user_is_admin() THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'only an administrator may change this of a user',
            DETAIL = 'Others may change name, phone_number and metadata.',
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION identity.protect_user() IS 'BEFORE UPDATE: keeps users from giving themselves rights';

CREATE TRIGGER protect_user
BEFORE UPDATE ON identity.users
FOR EACH ROW
WHEN (
    OLD.id IS DISTINCT FROM NEW.id
    OR OLD.email IS DISTINCT FROM NEW.email
    OR OLD.password_hash IS DISTINCT FROM NEW.password_hash
    OR OLD.kind IS DISTINCT FROM NEW.kind
    OR OLD.role IS DISTINCT FROM NEW.role
    OR OLD.grants IS DISTINCT FROM NEW.grants
    OR OLD.status IS DISTINCT FROM NEW.status
    OR OLD.sso_provider IS DISTINCT FROM NEW.sso_provider
    OR OLD.sso_subject IS DISTINCT FROM NEW.sso_subject
    OR OLD.failed_logins IS DISTINCT FROM NEW.failed_logins
    OR OLD.locked_until IS DISTINCT FROM NEW.locked_until
    OR OLD.last_login IS DISTINCT FROM NEW.last_login
    OR OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at
    OR OLD.email_verified_at IS DISTINCT FROM NEW.email_verified_at
    OR OLD.created_at IS DISTINCT FROM NEW.created_at
)
EXECUTE FUNCTION identity.protect_user();

CREATE FUNCTION identity.covers(held text[], wanted text[])
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT 'admin' = ANY (held)
        OR coalesce(bool_and(permission = ANY (held) OR split_part(permission, ':', 1) || ':*' = ANY (held)), true)
    FROM unnest(wanted) AS permission
$$;
COMMENT ON FUNCTION identity.covers(text[], text[]) IS 'Whether some permissions include others';

-- Whoever has got hold of a key that may do little must not be able to end, prolong or replace those that may do more.
CREATE FUNCTION identity.protect_api_key()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller constant uuid := nullif(current_setting('app.context', true), '')::jsonb ->> 'api_key_id';
BEGIN
    IF caller IS NOT NULL AND caller <> OLD.id AND NOT EXISTS (
        SELECT
        FROM identity.api_keys AS k
        WHERE k.id = caller
            AND identity.covers(k.permissions, OLD.permissions)
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'a key cannot change one that may do more than itself',
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION identity.protect_api_key() IS 'BEFORE UPDATE OR DELETE: keeps keys from changing those that may do more';

-- That a key was used is noted by the server, and changes nothing about it.
CREATE TRIGGER protect_api_key
BEFORE UPDATE OF user_id, name, permissions, expires_at, revoked_at, replaced_by, metadata OR DELETE
ON identity.api_keys
FOR EACH ROW EXECUTE FUNCTION identity.protect_api_key();

-- Servers remember whom they have admitted, and listen here for whom to forget. What a call writes by itself, such as
-- the time of the last use, changes nothing about that.
CREATE FUNCTION identity.notify_callers()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_notify('mainstay_callers', TG_ARGV[0] || ':' || OLD.id);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION identity.notify_callers() IS 'AFTER UPDATE OR DELETE: tells all servers which caller to look up again';

CREATE TRIGGER notify_of_change
AFTER UPDATE ON identity.users
FOR EACH ROW
WHEN (
    OLD.id IS DISTINCT FROM NEW.id
    OR OLD.email IS DISTINCT FROM NEW.email
    OR OLD.role IS DISTINCT FROM NEW.role
    OR OLD.grants IS DISTINCT FROM NEW.grants
    OR OLD.status IS DISTINCT FROM NEW.status
    OR OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at
)
EXECUTE FUNCTION identity.notify_callers('user');

CREATE TRIGGER notify_of_removal
AFTER DELETE ON identity.users
FOR EACH ROW EXECUTE FUNCTION identity.notify_callers('user');

CREATE TRIGGER notify_of_change
AFTER UPDATE ON identity.sessions
FOR EACH ROW
WHEN (
    OLD.id IS DISTINCT FROM NEW.id
    OR OLD.user_id IS DISTINCT FROM NEW.user_id
    OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
    OR OLD.revoked_at IS DISTINCT FROM NEW.revoked_at
)
EXECUTE FUNCTION identity.notify_callers('session');

CREATE TRIGGER notify_of_removal
AFTER DELETE ON identity.sessions
FOR EACH ROW EXECUTE FUNCTION identity.notify_callers('session');

CREATE TRIGGER notify_of_change
AFTER UPDATE ON identity.api_keys
FOR EACH ROW
WHEN (
    OLD.id IS DISTINCT FROM NEW.id
    OR OLD.user_id IS DISTINCT FROM NEW.user_id
    OR OLD.key_hash IS DISTINCT FROM NEW.key_hash
    OR OLD.permissions IS DISTINCT FROM NEW.permissions
    OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
    OR OLD.revoked_at IS DISTINCT FROM NEW.revoked_at
    OR OLD.replaced_by IS DISTINCT FROM NEW.replaced_by
)
EXECUTE FUNCTION identity.notify_callers('key');

CREATE TRIGGER notify_of_removal
AFTER DELETE ON identity.api_keys
FOR EACH ROW EXECUTE FUNCTION identity.notify_callers('key');

-- Row-level security, forced, so that not even the owner's own rights go around it: the owner, as which the server does
-- what belongs to no single user, has a policy like everybody else. A sub-select in a policy is computed once, and not
-- for each row.

ALTER TABLE identity.users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON identity.users TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON identity.users FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_see_themselves ON identity.users FOR SELECT TO authenticated_users
USING (id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY users_change_themselves ON identity.users FOR UPDATE TO authenticated_users
USING (id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY admins_add_users ON identity.users FOR INSERT TO authenticated_users
WITH CHECK ((SELECT identity.current_user_is_admin()));

CREATE POLICY admins_remove_users ON identity.users FOR DELETE TO authenticated_users
USING ((SELECT identity.current_user_is_admin()));

ALTER TABLE identity.teams ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON identity.teams TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON identity.teams FOR SELECT TO mainstay_readonly
USING (true);

-- The creator is named beside the members, because a new row is checked before there is any. In any later transaction
-- a creator is a member as others, or none.
CREATE POLICY members_see_their_teams ON identity.teams FOR SELECT TO authenticated_users
USING (
    (created_by = (SELECT identity.current_user_id()) AND created_at = now())
    OR (SELECT identity.current_user_is_admin())
    OR id IN (SELECT identity.current_team_ids())
    OR id IN (SELECT identity.current_invitation_team_ids())
);

CREATE POLICY users_add_teams_of_their_own ON identity.teams FOR INSERT TO authenticated_users
WITH CHECK (created_by = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY owners_change_their_teams ON identity.teams FOR UPDATE TO authenticated_users
USING (id IN (SELECT identity.current_owned_team_ids()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (id IN (SELECT identity.current_owned_team_ids()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY owners_remove_their_teams ON identity.teams FOR DELETE TO authenticated_users
USING (id IN (SELECT identity.current_owned_team_ids()) OR (SELECT identity.current_user_is_admin()));

ALTER TABLE identity.team_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON identity.team_members TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON identity.team_members FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY members_see_each_other ON identity.team_members FOR SELECT TO authenticated_users
USING (
    user_id = (SELECT identity.current_user_id())
    OR (SELECT identity.current_user_is_admin())
    OR team_id IN (SELECT identity.current_team_ids())
);

CREATE POLICY users_accept_invitations ON identity.team_members FOR UPDATE TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()) AND accepted_at IS NULL)
WITH CHECK (user_id = (SELECT identity.current_user_id()));

CREATE POLICY owners_add_members ON identity.team_members FOR INSERT TO authenticated_users
WITH CHECK (team_id IN (SELECT identity.current_owned_team_ids()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY owners_change_members ON identity.team_members FOR UPDATE TO authenticated_users
USING (team_id IN (SELECT identity.current_owned_team_ids()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (team_id IN (SELECT identity.current_owned_team_ids()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY owners_remove_members_and_members_leave ON identity.team_members FOR DELETE TO authenticated_users
USING (
    user_id = (SELECT identity.current_user_id())
    OR (SELECT identity.current_user_is_admin())
    OR team_id IN (SELECT identity.current_owned_team_ids())
);

ALTER TABLE identity.user_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON identity.user_tokens TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON identity.user_tokens FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_have_their_own ON identity.user_tokens TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

ALTER TABLE identity.sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON identity.sessions TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON identity.sessions FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_have_their_own ON identity.sessions TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

ALTER TABLE identity.api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON identity.api_keys TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON identity.api_keys FOR SELECT TO mainstay_readonly
USING (true);

CREATE POLICY users_have_their_own ON identity.api_keys TO authenticated_users
USING (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (user_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

-- Rights. Nobody but the server reads a secret, not even the hash of one: these lists have all columns but those.

GRANT USAGE ON SCHEMA identity TO authenticated_users, mainstay_readonly;

GRANT SELECT (
    id,
    email,
    name,
    phone_number,
    kind,
    role,
    grants,
    status,
    enabled,
    sso_provider,
    sso_subject,
    failed_logins,
    locked_until,
    last_login,
    password_changed_at,
    email_verified_at,
    metadata,
    version,
    created_at,
    updated_at
) ON identity.users TO authenticated_users, mainstay_readonly;

GRANT SELECT (
    id,
    user_id,
    kind,
    expires_at,
    used_at,
    version,
    created_at,
    updated_at
) ON identity.user_tokens TO authenticated_users, mainstay_readonly;

GRANT SELECT (
    id,
    user_id,
    ip_address,
    user_agent,
    expires_at,
    revoked_at,
    last_seen_at,
    version,
    created_at,
    updated_at
) ON identity.sessions TO authenticated_users, mainstay_readonly;

GRANT SELECT (
    id,
    user_id,
    name,
    prefix,
    permissions,
    expires_at,
    revoked_at,
    replaced_by,
    last_used_at,
    metadata,
    version,
    created_at,
    updated_at
) ON identity.api_keys TO authenticated_users, mainstay_readonly;

GRANT SELECT ON identity.teams, identity.team_members TO authenticated_users, mainstay_readonly;

GRANT INSERT, UPDATE, DELETE
ON identity.users, identity.user_tokens, identity.sessions, identity.teams, identity.team_members, identity.api_keys
TO authenticated_users;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    identity.are_permissions(text[]),
    identity.current_user_id(),
    identity.current_user_is_admin(),
    identity.current_team_ids(),
    identity.current_owned_team_ids(),
    identity.current_invitation_team_ids(),
    identity.member_name(identity.team_members)
TO authenticated_users;
