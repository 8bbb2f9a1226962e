CREATE TABLE {table} (version varchar NOT NULL PRIMARY KEY);
