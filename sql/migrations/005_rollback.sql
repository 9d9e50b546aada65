-- Rollback Migration: Templates
-- Version: 005
-- Description: Rollback what projects are made from
-- Created: 2026-11-21T00:00:00Z

DROP TABLE templates.downloads;
DROP TABLE templates.template_versions;
DROP TABLE templates.template_technologies;
DROP TABLE templates.templates;
DROP TABLE templates.technologies;
DROP TABLE templates.categories;

DROP FUNCTION templates.keep_version();
DROP FUNCTION templates.refuse_change();
DROP FUNCTION templates.rename_technology();
DROP FUNCTION templates.link_technologies();
DROP FUNCTION templates.score(tsvector, text, text, bigint, text, tsquery, text);
DROP FUNCTION templates.query(text);
DROP FUNCTION templates.words(text, text, text, text[], text[]);
DROP FUNCTION templates.are_slugs(text[]);
DROP FUNCTION templates.subtree(text);
DROP FUNCTION templates.keep_a_tree();
DROP FUNCTION ops.make_slug();
DROP FUNCTION ops.slug(text);

DROP SCHEMA templates;
