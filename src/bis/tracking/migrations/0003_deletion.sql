-- Deletion, version 3: a run that is removed takes its points of logged models with it, which lie by model.

CREATE INDEX logged_model_metrics_by_run ON logged_model_metrics (run_no);
