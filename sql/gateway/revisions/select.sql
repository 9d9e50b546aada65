-- All revisions, without what they kept: that may be long.
SELECT
    r.id,
    r.number,
    r.checksum,
    r.tags,
    r.author,
    r.message,
    r.summary,
    r.restored_from,
    r.created_at
FROM gateway.revisions AS r
