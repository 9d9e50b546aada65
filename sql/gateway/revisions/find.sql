-- The revision with the number $1, and what it kept.
SELECT
    r.checksum,
    r.tags,
    r.author,
    r.message,
    r.snapshot::text AS snapshot,
    r.summary::text AS summary,
    r.restored_from
FROM gateway.revisions AS r
WHERE r.number = $1
