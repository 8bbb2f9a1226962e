-- $1: at most so many. Commit rows of what has ended as committed, and of units that are done of a saga that has ended.
-- By ctid, because IN (SELECT … LIMIT …) is planned as a join of all with all; a row that somebody has touched meanwhile stays for the next time.
DELETE FROM {schema}.mtnt_decision WHERE outcome = 'commit' AND ctid = ANY (ARRAY(
    SELECT d.ctid FROM {schema}.mtnt_decision AS d
    WHERE d.outcome = 'commit' AND (
        EXISTS (SELECT 1 FROM {schema}.mtnt_migration AS m WHERE m.migration = d.migration AND m.state = 'committed') OR
        EXISTS (SELECT 1 FROM {schema}.mtnt_step AS s JOIN {schema}.mtnt_migration AS m ON m.migration = s.migration
                WHERE s.key = d.migration AND s.state = 'done' AND m.state IN ('committed', 'aborted')))
    LIMIT $1::bigint))
