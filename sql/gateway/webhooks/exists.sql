-- The webhook $1, which nobody removes meanwhile.
SELECT w.id
FROM gateway.webhooks AS w
WHERE w.id = $1
FOR KEY SHARE
