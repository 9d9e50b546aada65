-- All categories in the order of the tree, each with its depth, and how many templates that are published it has: itself,
-- and with all below it.
WITH RECURSIVE tree AS (
    SELECT
        c.id,
        ARRAY[]::uuid[] AS above,
        ARRAY[(c.position, c.name, c.id)] AS place
    FROM templates.categories AS c
    WHERE c.parent_id IS NULL
    UNION ALL
    SELECT
        c.id,
        tree.above || tree.id,
        tree.place || (c.position, c.name, c.id)
    FROM tree
    JOIN templates.categories AS c ON c.parent_id = tree.id
),
counts AS (
    SELECT
        t.category_id,
        count(*) AS number
    FROM templates.templates AS t
    WHERE t.status = 'PUBLISHED'
        AND t.category_id IS NOT NULL
    GROUP BY t.category_id
),
totals AS (
    SELECT
        member.id,
        sum(counts.number)::bigint AS number
    FROM tree
    JOIN counts ON counts.category_id = tree.id
    CROSS JOIN LATERAL unnest(tree.above || tree.id) AS member (id)
    GROUP BY member.id
)
SELECT
    c.id,
    c.name,
    c.slug,
    c.description,
    c.icon,
    c.parent_id,
    cardinality(tree.above) AS depth,
    coalesce(counts.number, 0) AS templates,
    coalesce(totals.number, 0) AS templates_total
FROM tree
JOIN templates.categories AS c ON c.id = tree.id
LEFT JOIN counts ON counts.category_id = c.id
LEFT JOIN totals ON totals.id = c.id
ORDER BY tree.place
