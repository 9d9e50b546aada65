-- From here on, constraints that can wait do.
SET CONSTRAINTS ALL DEFERRED
