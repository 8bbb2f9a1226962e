CREATE TABLE {table} (version varchar(128) PRIMARY KEY);
