CREATE TABLE {table} (version bigint NOT NULL PRIMARY KEY, name varchar NOT NULL);
