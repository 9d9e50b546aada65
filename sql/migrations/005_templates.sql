-- Migration: Templates
-- Version: 005
-- Description: What projects are made from: categories, technologies, templates and the versions of them that were published
-- Created: 2026-11-21T00:00:00Z

CREATE SCHEMA templates;
COMMENT ON SCHEMA templates IS 'What projects are made from';

-- Names in URLs, made from names for people.

CREATE FUNCTION ops.slug(name text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    -- Letters without their accents, and a hyphen for everything that is neither letter nor digit. Short enough that a
    -- number finds room behind it.
    SELECT trim(BOTH '-' FROM left(trim(BOTH '-' FROM regexp_replace(
        regexp_replace(lower(normalize(name, NFKD)), U&'[\0300-\036f]', '', 'g'),
        '[^a-z0-9]+',
        '-',
        'g'
    )), 56))
$$;
COMMENT ON FUNCTION ops.slug(text) IS 'The name in lower-case letters, digits and hyphens; empty if it has none of those';

-- The arguments of its triggers: what a row is called whose name has no letter for a URL. With the rights of the table's
-- owner, for whom all names are taken that are: others see only some of them.
CREATE FUNCTION ops.make_slug()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base text;
    is_taken boolean;
    number integer := 1;
BEGIN
    IF NEW.slug IS NOT NULL THEN
        RETURN NEW;
    END IF;
    base := coalesce(nullif(ops.slug(NEW.name), ''), TG_ARGV[0]);
    -- Two that have the same name at the same time come one after the other, and the second one sees the first.
    PERFORM pg_advisory_xact_lock(TG_RELID::integer, hashtext(base));
    NEW.slug := base;
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I WHERE slug = $1)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        INTO is_taken
        USING NEW.slug;
        EXIT WHEN NOT is_taken;
        number := number + 1;
        -- After so many, one that is taken by nobody is quicker than the next.
        NEW.slug := base || '-' || CASE WHEN number <= 50 THEN number::text ELSE left(md5(gen_random_uuid()::text), 6) END;
    END LOOP;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION ops.make_slug() IS 'BEFORE INSERT: makes a slug from the name for a row that brings none';

CREATE TABLE templates.categories (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    slug text NOT NULL,
    description text NOT NULL DEFAULT '',
    icon text,
    parent_id uuid,
    position integer NOT NULL DEFAULT 0,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT categories_slug_is_unique UNIQUE (slug),
    CONSTRAINT categories_parent_exists FOREIGN KEY (parent_id) REFERENCES templates.categories (id) ON DELETE RESTRICT,
    CONSTRAINT categories_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT categories_slug_is_lower_case_words CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT categories_slug_has_at_most_63_characters CHECK (char_length(slug) <= 63),
    CONSTRAINT categories_description_has_at_most_10000_characters CHECK (char_length(description) <= 10000),
    CONSTRAINT categories_icon_has_at_most_255_characters CHECK (char_length(icon) <= 255)
);
COMMENT ON TABLE templates.categories IS 'Where templates belong: a tree';
COMMENT ON COLUMN templates.categories.position IS 'The order among those with the same parent';

CREATE INDEX categories_parent_id ON templates.categories (parent_id);

CREATE TRIGGER make_slug
BEFORE INSERT ON templates.categories
FOR EACH ROW EXECUTE FUNCTION ops.make_slug('category');

CREATE TRIGGER touch
BEFORE UPDATE ON templates.categories
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE FUNCTION templates.keep_a_tree()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    depth_max constant integer := 10;
    ancestor uuid := NEW.parent_id;
    below integer;
    depth integer := 0;
BEGIN
    -- Two moves at the same time, each of them right, may be a circle together.
    PERFORM pg_advisory_xact_lock(hashtext('templates.keep_a_tree'));
    WHILE ancestor IS NOT NULL AND depth <= depth_max LOOP
        depth := depth + 1;
        IF ancestor = NEW.id THEN
            depth := depth_max + 1;
        END IF;
        ancestor := (SELECT parent_id FROM templates.categories WHERE id = ancestor);
    END LOOP;
    -- What is moved brings along what is below it.
    IF depth <= depth_max THEN
        WITH RECURSIVE tree AS (
            SELECT NEW.id AS id, 0 AS level
            UNION ALL
            SELECT child.id, tree.level + 1
            FROM tree
            JOIN templates.categories AS child ON child.parent_id = tree.id
            WHERE tree.level <= depth_max
        )
        SELECT max(level) INTO below FROM tree;
        depth := depth + below;
    END IF;
    IF depth >= depth_max THEN
        RAISE check_violation USING
            MESSAGE = format('the category %s would be below itself, or too deep', NEW.slug),
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION templates.keep_a_tree() IS 'AFTER INSERT OR UPDATE: no category is below itself, or deeper than ten';

CREATE CONSTRAINT TRIGGER categories_are_a_tree
AFTER INSERT OR UPDATE ON templates.categories
FOR EACH ROW
WHEN (NEW.parent_id IS NOT NULL)
EXECUTE FUNCTION templates.keep_a_tree();

CREATE FUNCTION templates.subtree(category text)
RETURNS SETOF uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
ROWS 20
AS $$
    WITH RECURSIVE tree AS (
        SELECT id
        FROM templates.categories
        WHERE slug = category
        UNION
        SELECT child.id
        FROM tree
        JOIN templates.categories AS child ON child.parent_id = tree.id
    )
    SELECT id FROM tree
$$;
COMMENT ON FUNCTION templates.subtree(text) IS 'The category of this slug and all that are below it';

CREATE TABLE templates.technologies (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    slug text NOT NULL,
    kind text NOT NULL,
    technology_version text,
    website text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT technologies_slug_is_unique UNIQUE (slug),
    CONSTRAINT technologies_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT technologies_slug_is_lower_case_words CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT technologies_slug_has_at_most_63_characters CHECK (char_length(slug) <= 63),
    CONSTRAINT technologies_kind_is_known CHECK (kind IN ('language', 'framework', 'database', 'tool')),
    CONSTRAINT technologies_version_has_at_most_63_characters CHECK (char_length(technology_version) <= 63),
    CONSTRAINT technologies_website_is_a_url CHECK (website ~ '^https?://[^[:space:]]+$' AND char_length(website) <= 2000)
);
COMMENT ON TABLE templates.technologies IS 'What templates are made with';
COMMENT ON COLUMN templates.technologies.technology_version IS 'The version of the technology; version is that of the row';

CREATE TRIGGER make_slug
BEFORE INSERT ON templates.technologies
FOR EACH ROW EXECUTE FUNCTION ops.make_slug('technology');

CREATE TRIGGER touch
BEFORE UPDATE ON templates.technologies
FOR EACH ROW EXECUTE FUNCTION ops.touch();

CREATE FUNCTION templates.are_slugs(slugs text[])
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT coalesce(array_ndims(slugs), 1) = 1
        AND count(DISTINCT slug) = cardinality(slugs)
        AND coalesce(bool_and(slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) <= 63), true)
    FROM unnest(slugs) AS slug
$$;
COMMENT ON FUNCTION templates.are_slugs(text[]) IS 'Whether each is a slug, and none is there twice';

-- What a search finds a template by. A generated column needs a function that is told to be immutable; that of arrays is
-- not told so, though it is for texts.
CREATE FUNCTION templates.words(name text, slug text, description text, tags text[], technologies text[])
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT setweight(to_tsvector('pg_catalog.english', name || ' ' || replace(slug, '-', ' ')), 'A')
        || setweight(to_tsvector('pg_catalog.english', array_to_string(technologies || tags, ' ')), 'B')
        || setweight(to_tsvector('pg_catalog.english', left(description, 10000)), 'D')
$$;
COMMENT ON FUNCTION templates.words(text, text, text, text[], text[]) IS 'The words of a template, those of its name first';

-- As people type it: "exact words", either OR other, -without. The last word may be the beginning of one.
CREATE FUNCTION templates.query(words text)
RETURNS tsquery
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN words ~ '[[:alnum:]]$' AND numnode(parsed) > 0 THEN (parsed::text || ':*')::tsquery
        ELSE parsed
    END
    FROM websearch_to_tsquery('pg_catalog.english', words) AS parsed
$$;
COMMENT ON FUNCTION templates.query(text) IS 'What somebody who types this is looking for';

-- What is the same for all rows comes in made: $5 is what was typed, $6 the query, and $7 the slug that are made of it.
CREATE FUNCTION templates.score(
    search tsvector,
    name text,
    slug text,
    downloads bigint,
    words text,
    query tsquery,
    wanted text
)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
    -- The name itself is worth more than all words in it; of those that fit as well, the more popular is first.
    SELECT ts_rank('{0.1, 0.2, 0.6, 1.0}', search, query)::double precision
        + CASE
            WHEN slug = wanted OR lower(name) = lower(words) THEN 2
            WHEN starts_with(slug, wanted) AND wanted <> '' THEN 0.5
            ELSE 0
        END
        + ln(1 + downloads::double precision) / 20
$$;
COMMENT ON FUNCTION templates.score(tsvector, text, text, bigint, text, tsquery, text) IS
'How well a template fits what somebody typed';

CREATE TABLE templates.templates (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    name text NOT NULL,
    slug text NOT NULL,
    description text NOT NULL DEFAULT '',
    category_id uuid,
    technologies text[] NOT NULL DEFAULT '{}',
    tags text[] NOT NULL DEFAULT '{}',
    repository_url text,
    template_version text NOT NULL DEFAULT '0.1.0',
    parameters jsonb NOT NULL DEFAULT '{}',
    files jsonb NOT NULL DEFAULT '[]',
    status text NOT NULL DEFAULT 'DRAFT',
    author_id uuid,
    published_version text,
    published_at timestamptz,
    deprecated_at timestamptz,
    deprecation text,
    successor_id uuid,
    downloads bigint NOT NULL DEFAULT 0,
    search tsvector NOT NULL GENERATED ALWAYS AS (templates.words(name, slug, description, tags, technologies)) STORED,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT templates_slug_is_unique UNIQUE (slug),
    CONSTRAINT templates_category_exists FOREIGN KEY (category_id) REFERENCES templates.categories (id) ON DELETE RESTRICT,
    CONSTRAINT templates_author_exists FOREIGN KEY (author_id) REFERENCES identity.users (id) ON DELETE SET NULL,
    CONSTRAINT templates_successor_exists FOREIGN KEY (successor_id) REFERENCES templates.templates (id) ON DELETE SET NULL,
    CONSTRAINT templates_successor_is_another CHECK (successor_id <> id),
    CONSTRAINT templates_name_has_1_to_255_characters CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT templates_slug_is_lower_case_words CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT templates_slug_has_at_most_63_characters CHECK (char_length(slug) <= 63),
    CONSTRAINT templates_description_has_at_most_10000_characters CHECK (char_length(description) <= 10000),
    CONSTRAINT templates_technologies_are_at_most_50_slugs CHECK (
        cardinality(technologies) <= 50
        AND templates.are_slugs(technologies)
    ),
    CONSTRAINT templates_tags_are_at_most_50_slugs CHECK (cardinality(tags) <= 50 AND templates.are_slugs(tags)),
    CONSTRAINT templates_repository_is_a_url CHECK (
        repository_url ~ '^[a-z][a-z0-9+.-]*://[^[:space:]]+$'
        AND char_length(repository_url) <= 2000
    ),
    CONSTRAINT templates_version_is_semantic CHECK (
        template_version ~ '^(0|[1-9][0-9]{0,8})[.](0|[1-9][0-9]{0,8})[.](0|[1-9][0-9]{0,8})(-[0-9A-Za-z.-]{1,64})?$'
    ),
    CONSTRAINT templates_parameters_is_an_object CHECK (jsonb_typeof(parameters) = 'object'),
    CONSTRAINT templates_parameters_has_at_most_64_kibibytes CHECK (octet_length(parameters::text) <= 65536),
    CONSTRAINT templates_files_is_a_list CHECK (jsonb_typeof(files) = 'array'),
    CONSTRAINT templates_files_has_at_most_512_kibibytes CHECK (octet_length(files::text) <= 524288),
    CONSTRAINT templates_status_is_known CHECK (status IN ('DRAFT', 'PUBLISHED', 'DEPRECATED')),
    CONSTRAINT templates_is_a_draft_until_it_is_published CHECK (
        (status = 'DRAFT') = (published_version IS NULL)
        AND (published_version IS NULL) = (published_at IS NULL)
    ),
    CONSTRAINT templates_is_deprecated_since_some_time CHECK ((status = 'DEPRECATED') = (deprecated_at IS NOT NULL)),
    CONSTRAINT templates_only_the_deprecated_have_a_successor CHECK (
        status = 'DEPRECATED'
        OR (successor_id IS NULL AND deprecation IS NULL)
    ),
    CONSTRAINT templates_deprecation_has_at_most_1000_characters CHECK (char_length(deprecation) <= 1000),
    CONSTRAINT templates_downloads_is_not_negative CHECK (downloads >= 0)
);
COMMENT ON TABLE templates.templates IS 'Templates as they are being worked on; what was published is in template_versions';
COMMENT ON COLUMN templates.templates.template_version IS 'The version that is published next, or was published last';
COMMENT ON COLUMN templates.templates.parameters IS 'What one is asked for, as a JSON Schema of an object';
COMMENT ON COLUMN templates.templates.published_version IS 'The version that was published last';
COMMENT ON COLUMN templates.templates.downloads IS 'Counted up by a job: a download itself only adds a row elsewhere';

CREATE INDEX templates_category_id ON templates.templates (category_id, status);
CREATE INDEX templates_author_id ON templates.templates (author_id);
CREATE INDEX templates_successor_id ON templates.templates (successor_id) WHERE successor_id IS NOT NULL;
CREATE INDEX templates_name ON templates.templates (name, id);
CREATE INDEX templates_status ON templates.templates (status, id);
CREATE INDEX templates_name_trigrams ON templates.templates USING gin (ops.trigrams(name));
CREATE INDEX templates_slug_trigrams ON templates.templates USING gin (ops.trigrams(slug));
CREATE INDEX templates_created_at ON templates.templates (created_at, id);
CREATE INDEX templates_updated_at ON templates.templates (updated_at, id);
-- The most popular first: of words that many have, the best are among those.
CREATE INDEX templates_downloads ON templates.templates (downloads, id);
-- Without a list of entries that are still to be sorted in, which a search would have to read as well.
CREATE INDEX templates_search ON templates.templates USING gin (search) WITH (fastupdate = off);
CREATE INDEX templates_tags ON templates.templates USING gin (tags) WITH (fastupdate = off);
CREATE INDEX templates_technologies ON templates.templates USING gin (technologies) WITH (fastupdate = off);

CREATE TRIGGER make_slug
BEFORE INSERT ON templates.templates
FOR EACH ROW EXECUTE FUNCTION ops.make_slug('template');

-- A download is no new version of a template.
CREATE TRIGGER touch
BEFORE UPDATE OF
    id,
    name,
    slug,
    description,
    category_id,
    technologies,
    tags,
    repository_url,
    template_version,
    parameters,
    files,
    status,
    author_id,
    published_version,
    published_at,
    deprecated_at,
    deprecation,
    successor_id,
    version,
    created_at,
    updated_at
ON templates.templates
FOR EACH ROW EXECUTE FUNCTION ops.touch();

-- Which template is made with what, as rows: so that no technology goes away that is still needed. Kept by the trigger
-- below; what clients write, and searches read, is the list of slugs in the template.
CREATE TABLE templates.template_technologies (
    template_id uuid NOT NULL,
    technology_id uuid NOT NULL,
    CONSTRAINT template_technologies_pkey PRIMARY KEY (template_id, technology_id),
    CONSTRAINT template_technologies_template_exists FOREIGN KEY (template_id) REFERENCES templates.templates (id)
        ON DELETE CASCADE,
    CONSTRAINT template_technologies_technology_exists FOREIGN KEY (technology_id) REFERENCES templates.technologies (id)
        ON DELETE RESTRICT
);
COMMENT ON TABLE templates.template_technologies IS 'Which template is made with what';

CREATE INDEX template_technologies_technology_id ON templates.template_technologies (technology_id);

CREATE FUNCTION templates.link_technologies()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    unknown text;
BEGIN
    DELETE FROM templates.template_technologies AS link
    USING templates.technologies AS technology
    WHERE link.template_id = NEW.id
        AND technology.id = link.technology_id
        AND technology.slug <> ALL (NEW.technologies);
    INSERT INTO templates.template_technologies (template_id, technology_id)
    SELECT NEW.id, technology.id
    FROM templates.technologies AS technology
    WHERE technology.slug = ANY (NEW.technologies)
    ON CONFLICT DO NOTHING;
    SELECT slug
    INTO unknown
    FROM unnest(NEW.technologies) AS slug
    WHERE NOT EXISTS (
        SELECT
        FROM templates.technologies AS technology
        WHERE technology.slug = slug.slug
    )
    LIMIT 1;
    IF unknown IS NOT NULL THEN
        RAISE check_violation USING
            MESSAGE = format('there is no technology %s', unknown),
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = 'templates_technologies_exist';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION templates.link_technologies() IS 'AFTER INSERT OR UPDATE: keeps template_technologies, and refuses what is none';

CREATE CONSTRAINT TRIGGER templates_technologies_exist
AFTER INSERT ON templates.templates
FOR EACH ROW
WHEN (NEW.technologies <> '{}')
EXECUTE FUNCTION templates.link_technologies();

CREATE TRIGGER link_technologies
AFTER UPDATE ON templates.templates
FOR EACH ROW
WHEN (OLD.technologies IS DISTINCT FROM NEW.technologies)
EXECUTE FUNCTION templates.link_technologies();

CREATE FUNCTION templates.rename_technology()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE templates.templates AS template
    SET technologies = array_replace(template.technologies, OLD.slug, NEW.slug)
    FROM templates.template_technologies AS link
    WHERE link.technology_id = NEW.id
        AND template.id = link.template_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION templates.rename_technology() IS 'AFTER UPDATE: templates follow when a technology gets another slug';

CREATE TRIGGER rename_technology
AFTER UPDATE ON templates.technologies
FOR EACH ROW
WHEN (OLD.slug <> NEW.slug)
EXECUTE FUNCTION templates.rename_technology();

CREATE TABLE templates.template_versions (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    template_id uuid NOT NULL,
    template_version text NOT NULL,
    checksum text NOT NULL,
    snapshot jsonb NOT NULL,
    published_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT template_versions_are_published_once UNIQUE (template_id, template_version),
    CONSTRAINT template_versions_template_exists FOREIGN KEY (template_id) REFERENCES templates.templates (id)
        ON DELETE RESTRICT,
    CONSTRAINT template_versions_checksum_is_that_of_the_snapshot CHECK (
        checksum = encode(sha256(convert_to(snapshot::text, 'UTF8')), 'hex')
    )
);
COMMENT ON TABLE templates.template_versions IS 'What was published: never changed, and never removed';
COMMENT ON COLUMN templates.template_versions.checksum IS 'SHA-256 of the snapshot, as PostgreSQL writes it';
COMMENT ON COLUMN templates.template_versions.published_by IS 'Without a reference: who did it stays known when they are gone';

CREATE INDEX template_versions_published_by ON templates.template_versions (published_by, id);
CREATE INDEX template_versions_created_at ON templates.template_versions (created_at, id);

CREATE FUNCTION templates.refuse_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE object_not_in_prerequisite_state USING
        MESSAGE = 'what was published is never changed',
        HINT = 'Publish another version.',
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME;
END
$$;
COMMENT ON FUNCTION templates.refuse_change() IS 'BEFORE UPDATE OR DELETE OR TRUNCATE: refuses it';

CREATE TRIGGER refuse_change
BEFORE UPDATE OR DELETE ON templates.template_versions
FOR EACH ROW EXECUTE FUNCTION templates.refuse_change();

CREATE TRIGGER refuse_truncate
BEFORE TRUNCATE ON templates.template_versions
FOR EACH STATEMENT EXECUTE FUNCTION templates.refuse_change();

CREATE FUNCTION templates.keep_version()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    snapshot constant jsonb := jsonb_build_object(
        'name', NEW.name,
        'slug', NEW.slug,
        'description', NEW.description,
        'technologies', NEW.technologies,
        'tags', NEW.tags,
        'repository_url', NEW.repository_url,
        'template_version', NEW.published_version,
        'parameters', NEW.parameters,
        'files', NEW.files
    );
BEGIN
    INSERT INTO templates.template_versions (template_id, template_version, checksum, snapshot, published_by)
    VALUES (
        NEW.id,
        NEW.published_version,
        encode(sha256(convert_to(snapshot::text, 'UTF8')), 'hex'),
        snapshot,
        (telemetry.actor()).user_id
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION templates.keep_version() IS 'AFTER INSERT OR UPDATE: keeps what is published as it is at this moment';

CREATE TRIGGER keep_first_version
AFTER INSERT ON templates.templates
FOR EACH ROW
WHEN (NEW.published_version IS NOT NULL)
EXECUTE FUNCTION templates.keep_version();

-- Whoever publishes sets the time as well, so the same version once more is a second one, which is refused.
CREATE TRIGGER keep_version
AFTER UPDATE ON templates.templates
FOR EACH ROW
WHEN (
    NEW.published_version IS NOT NULL
    AND (OLD.published_version IS DISTINCT FROM NEW.published_version OR OLD.published_at IS DISTINCT FROM NEW.published_at)
)
EXECUTE FUNCTION templates.keep_version();

-- Rows are added, and a job counts and removes them. Without references, which would have to look at the template.
CREATE TABLE templates.downloads (
    id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
    template_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE templates.downloads IS 'Downloads that have not been counted yet';

SELECT telemetry.audit('templates.categories');
SELECT telemetry.audit('templates.technologies');
SELECT telemetry.audit('templates.templates', noise => '{downloads,search}');

-- Row-level security. The catalogue is common to all who may read it, drafts included: they are marked, and no secret.
-- A template is changed by whoever made it, and by administrators.

ALTER TABLE templates.templates ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON templates.templates TO CURRENT_USER
USING (true)
WITH CHECK (true);

CREATE POLICY readers_see_all ON templates.templates FOR SELECT TO mainstay_readonly
USING (true);

-- A condition that is always true is none: one that was not would keep the search from its index, because PostgreSQL
-- lets no operator see a row before the policy does unless it knows that the operator tells nobody.
CREATE POLICY users_see_all ON templates.templates FOR SELECT TO authenticated_users
USING (true);

CREATE POLICY authors_add_templates ON templates.templates FOR INSERT TO authenticated_users
WITH CHECK (author_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY authors_change_their_templates ON templates.templates FOR UPDATE TO authenticated_users
USING (author_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()))
WITH CHECK (author_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

CREATE POLICY authors_remove_their_templates ON templates.templates FOR DELETE TO authenticated_users
USING (author_id = (SELECT identity.current_user_id()) OR (SELECT identity.current_user_is_admin()));

-- Rights.

GRANT USAGE ON SCHEMA templates TO authenticated_users, mainstay_readonly;

GRANT SELECT
ON templates.categories,
    templates.technologies,
    templates.templates,
    templates.template_technologies,
    templates.template_versions,
    templates.downloads
TO mainstay_readonly;

GRANT SELECT ON templates.categories, templates.technologies, templates.template_versions TO authenticated_users;
GRANT SELECT, INSERT, UPDATE, DELETE ON templates.templates TO authenticated_users;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA templates FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION ops.make_slug() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    templates.subtree(text),
    templates.are_slugs(text[]),
    templates.words(text, text, text, text[], text[]),
    templates.query(text),
    templates.score(tsvector, text, text, bigint, text, tsquery, text)
TO authenticated_users, mainstay_readonly;
