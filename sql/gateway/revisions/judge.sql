-- Constraints that have waited are checked.
SET CONSTRAINTS ALL IMMEDIATE
