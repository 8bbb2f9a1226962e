-- $1: JSON array of migrations, or of keys of units, that a model holds. Gives those that are not known here: a model that holds them is ahead of
-- this controller. One that was rolled back here is none that a model may hold; what a saga could not or need not take back it may.
SELECT DISTINCT j.value
FROM jsonb_array_elements_text($1::jsonb) AS j
LEFT JOIN {schema}.mtnt_migration AS m ON m.migration = j.value
WHERE (m.migration IS NULL OR (m.state = 'aborted' AND m.mode <> 'saga'))
  AND NOT EXISTS (SELECT 1 FROM {schema}.mtnt_step AS s WHERE s.key = j.value)
  AND NOT EXISTS (SELECT 1 FROM {schema}.mtnt_decision AS d WHERE d.migration = j.value AND d.outcome = 'commit')
