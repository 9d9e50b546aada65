-- What $1 answers, asked as mainstay_readonly.
SELECT line
FROM ops.answer($1) AS line
