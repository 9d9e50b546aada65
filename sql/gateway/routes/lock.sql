-- Until the transaction ends, others read routes and do not change them.
LOCK TABLE gateway.routes IN SHARE ROW EXCLUSIVE MODE
