-- The next revision, applied by $1. Only one who has claimed the configuration writes here, so no two take one number.
INSERT INTO gateway.revisions (
    number,
    checksum,
    tags,
    author,
    message,
    snapshot,
    summary,
    restored_from
)
SELECT
    coalesce((SELECT max(r.number) FROM gateway.revisions AS r), 0) + 1,
    $2,
    $3,
    $4,
    $5,
    $6,
    $7,
    $8
FROM ops.actor($1)
RETURNING number
