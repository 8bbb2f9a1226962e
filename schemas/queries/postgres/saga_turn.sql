-- $1: migration. Who does not find it executing, in doubt or turned already must not compensate.
UPDATE {schema}.mtnt_migration SET state = 'compensating'
WHERE migration = $1 AND state IN ('executing', 'in_doubt', 'compensating')
