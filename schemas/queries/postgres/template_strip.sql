-- What makes a model somebody's, out of a copy that is to be a template. New, empty files: no dead row stays in a page.
TRUNCATE {schema}.mtnt_meta, {schema}.mtnt_applied, {schema}.mtnt_decision;
