-- What makes a model somebody's, out of a copy that is to be a template.
DELETE FROM {schema}.mtnt_meta;
DELETE FROM {schema}.mtnt_applied;
DELETE FROM {schema}.mtnt_decision;
