-- There are none.
SELECT NULL, NULL WHERE 0
