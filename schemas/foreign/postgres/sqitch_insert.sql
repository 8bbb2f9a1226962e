WITH said AS (SELECT $1::json AS d, current_user::text AS name, current_user || '@localhost' AS email),
project AS (
    INSERT INTO {table}.projects (project, uri, creator_name, creator_email)
    SELECT d ->> 'project', d ->> 'uri', name, email FROM said ON CONFLICT DO NOTHING
),
change AS (
    INSERT INTO {table}.changes (change_id, script_hash, change, project, note, committed_at, committer_name, committer_email,
                                 planned_at, planner_name, planner_email)
    SELECT d ->> 'id', d ->> 'script_hash', d ->> 'name', d ->> 'project', d ->> 'note', clock_timestamp(), name, email,
           (d ->> 'planned_at')::timestamptz, d ->> 'planner_name', d ->> 'planner_email'
    FROM said
),
needs AS (
    INSERT INTO {table}.dependencies (change_id, type, dependency, dependency_id)
    SELECT d ->> 'id', n ->> 'type', n ->> 'dependency', n ->> 'dependency_id' FROM said, json_array_elements(d -> 'needs') n
),
tags AS (
    INSERT INTO {table}.tags (tag_id, tag, project, change_id, note, committed_at, committer_name, committer_email, planned_at,
                              planner_name, planner_email)
    SELECT t ->> 'id', '@' || (t ->> 'name'), d ->> 'project', d ->> 'id', t ->> 'note', clock_timestamp(), name, email,
           (t ->> 'planned_at')::timestamptz, t ->> 'planner_name', t ->> 'planner_email'
    FROM said, json_array_elements(d -> 'tags') t
)
INSERT INTO {table}.events (event, change_id, change, project, note, requires, conflicts, tags, committed_at, committer_name,
                            committer_email, planned_at, planner_name, planner_email)
SELECT 'deploy', d ->> 'id', d ->> 'name', d ->> 'project', d ->> 'note',
       ARRAY(SELECT n ->> 'dependency' FROM json_array_elements(d -> 'needs') n WHERE n ->> 'type' = 'require'),
       ARRAY(SELECT n ->> 'dependency' FROM json_array_elements(d -> 'needs') n WHERE n ->> 'type' = 'conflict'),
       ARRAY(SELECT '@' || (t ->> 'name') FROM json_array_elements(d -> 'tags') t),
       clock_timestamp(), name, email, (d ->> 'planned_at')::timestamptz, d ->> 'planner_name', d ->> 'planner_email'
FROM said
