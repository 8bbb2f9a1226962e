-- $1: migration
UPDATE {schema}.mtnt_tenant SET state = 'compensating'
WHERE migration = $1 AND state IN ('executing', 'in_doubt', 'compensating')
