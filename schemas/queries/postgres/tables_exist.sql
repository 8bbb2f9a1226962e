SELECT (to_regclass('mtnt_meta') IS NOT NULL)::int
