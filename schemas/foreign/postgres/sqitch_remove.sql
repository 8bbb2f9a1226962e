WITH said AS (SELECT $1::json AS d, current_user::text AS name, current_user || '@localhost' AS email),
event AS (
    INSERT INTO {table}.events (event, change_id, change, project, note, requires, conflicts, tags, committed_at, committer_name,
                                committer_email, planned_at, planner_name, planner_email)
    SELECT 'revert', c.change_id, c.change, c.project, c.note,
           ARRAY(SELECT dependency FROM {table}.dependencies n WHERE n.change_id = c.change_id AND n.type = 'require'),
           ARRAY(SELECT dependency FROM {table}.dependencies n WHERE n.change_id = c.change_id AND n.type = 'conflict'),
           ARRAY(SELECT tag FROM {table}.tags t WHERE t.change_id = c.change_id),
           clock_timestamp(), name, email, c.planned_at, c.planner_name, c.planner_email
    FROM {table}.changes c JOIN said ON c.change_id = d ->> 'id'
),
tags AS (DELETE FROM {table}.tags USING said WHERE change_id = d ->> 'id'),
needs AS (DELETE FROM {table}.dependencies USING said WHERE change_id = d ->> 'id')
DELETE FROM {table}.changes USING said WHERE change_id = d ->> 'id'
