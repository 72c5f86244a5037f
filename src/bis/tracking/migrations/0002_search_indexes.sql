-- Indexes along which searches are ordered and narrowed, version 2. Of the value of a parameter or a tag the first
-- 64 characters stand in them: a value may be a whole document.

DROP INDEX tags_by_key;
CREATE INDEX tags_by_value ON tags (key, substr(value, 1, 64), run_no);

DROP INDEX params_by_key;
CREATE INDEX params_by_value ON params (key, substr(value, 1, 64), run_no);

DROP INDEX latest_by_value;
CREATE INDEX latest_by_value ON latest (key_id, is_nan, value, run_no);

CREATE INDEX runs_by_name ON runs (lifecycle_stage, name);
CREATE INDEX runs_by_status ON runs (lifecycle_stage, status, start_time DESC);
CREATE INDEX runs_by_user ON runs (lifecycle_stage, user_id);

CREATE INDEX inputs_by_dataset ON inputs (dataset_id, run_no);
