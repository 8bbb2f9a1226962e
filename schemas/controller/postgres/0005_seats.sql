-- Places on database servers: as many of a server as a run may use at a time, whoever takes one. A seat is free when there is no row, or its lease, in
-- milliseconds since 1970 by this database's clock, is over: it says who works there, and fences nothing.
CREATE TABLE {schema}.mtnt_seat (
    server TEXT NOT NULL,
    seat BIGINT NOT NULL,
    owner TEXT NOT NULL,
    lease_until_ms BIGINT NOT NULL,
    PRIMARY KEY (server, seat)
);

UPDATE {schema}.mtnt_meta SET value = '5' WHERE key = 'schema_version';
