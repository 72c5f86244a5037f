-- The tracking store, version 1. Written in what SQLite and PostgreSQL have in common; two words stand for what they
-- have not: $IDENTITY (an integer primary key the database hands out) and $CLUSTERED (rows lie in the order of the key).
-- Times are milliseconds since 1970 UTC.

CREATE TABLE experiments (
    experiment_id     $IDENTITY,
    name              TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,                 -- mlflow-artifacts:/<id>, or where its creator wanted it
    lifecycle_stage   TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
    creation_time     BIGINT NOT NULL,
    last_update_time  BIGINT NOT NULL
);

CREATE TABLE experiment_tags (
    experiment_id BIGINT NOT NULL REFERENCES experiments (experiment_id),
    key           TEXT NOT NULL,
    value         TEXT NOT NULL,
    PRIMARY KEY (experiment_id, key)
) $CLUSTERED;

CREATE TABLE runs (
    run_no          $IDENTITY,                       -- what the tables below refer to: shorter than run_id
    run_id          TEXT NOT NULL UNIQUE,
    experiment_id   BIGINT NOT NULL REFERENCES experiments (experiment_id),
    name            TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
    start_time      BIGINT NOT NULL,
    end_time        BIGINT,
    lifecycle_stage TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
    deleted_time    BIGINT,
    artifact_uri    TEXT NOT NULL                    -- fixed at creation: a run that moves keeps its artifacts
);
CREATE INDEX runs_by_experiment ON runs (experiment_id, lifecycle_stage, start_time DESC, run_id);
CREATE INDEX runs_by_start ON runs (lifecycle_stage, start_time DESC, run_id);

CREATE TABLE tags (
    run_no BIGINT NOT NULL REFERENCES runs (run_no),
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (run_no, key)
) $CLUSTERED;
CREATE INDEX tags_by_key ON tags (key, run_no);

CREATE TABLE params (
    run_no      BIGINT NOT NULL REFERENCES runs (run_no),
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    origin      TEXT NOT NULL DEFAULT 'client' CHECK (origin IN ('client', 'bis')),
    received_as TEXT,                                -- what the script was given instead: a local path
    PRIMARY KEY (run_no, key)
) $CLUSTERED;
CREATE INDEX params_by_key ON params (key, run_no);

CREATE TABLE metric_keys (
    key_id $IDENTITY,
    key    TEXT NOT NULL UNIQUE
);

-- NaN is value 0 with is_nan 1: SQLite cannot store NaN.
CREATE TABLE points (
    run_no    BIGINT NOT NULL REFERENCES runs (run_no),
    key_id    BIGINT NOT NULL REFERENCES metric_keys (key_id),
    step      BIGINT NOT NULL,
    timestamp BIGINT NOT NULL,
    value     DOUBLE PRECISION NOT NULL,
    is_nan    SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_no, key_id, step, timestamp, value, is_nan)
) $CLUSTERED;

CREATE TABLE latest (
    run_no    BIGINT NOT NULL REFERENCES runs (run_no),
    key_id    BIGINT NOT NULL REFERENCES metric_keys (key_id),
    step      BIGINT NOT NULL,
    timestamp BIGINT NOT NULL,
    value     DOUBLE PRECISION NOT NULL,
    is_nan    SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_no, key_id)
) $CLUSTERED;
CREATE INDEX latest_by_value ON latest (key_id, value);

CREATE TABLE datasets (
    dataset_id  TEXT PRIMARY KEY,                    -- SHA-256 of all that follows
    name        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source      TEXT NOT NULL,
    schema      TEXT,
    profile     TEXT
);

CREATE TABLE inputs (
    run_no     BIGINT NOT NULL REFERENCES runs (run_no),
    dataset_id TEXT NOT NULL REFERENCES datasets (dataset_id),
    PRIMARY KEY (run_no, dataset_id)
) $CLUSTERED;

CREATE TABLE input_tags (
    run_no     BIGINT NOT NULL,
    dataset_id TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (run_no, dataset_id, key),
    FOREIGN KEY (run_no, dataset_id) REFERENCES inputs (run_no, dataset_id)
) $CLUSTERED;

CREATE TABLE logged_models (
    model_id               TEXT PRIMARY KEY,
    experiment_id          BIGINT NOT NULL REFERENCES experiments (experiment_id),
    name                   TEXT NOT NULL,
    model_type             TEXT NOT NULL,
    source_run_id          TEXT NOT NULL,
    status                 TEXT NOT NULL,
    artifact_uri           TEXT NOT NULL,
    lifecycle_stage        TEXT NOT NULL DEFAULT 'active',
    creation_timestamp_ms  BIGINT NOT NULL,
    last_updated_timestamp_ms BIGINT NOT NULL
);
CREATE INDEX logged_models_by_experiment ON logged_models (experiment_id, lifecycle_stage, creation_timestamp_ms DESC);
CREATE INDEX logged_models_by_run ON logged_models (source_run_id);

CREATE TABLE logged_model_tags (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id),
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) $CLUSTERED;

CREATE TABLE logged_model_params (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id),
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) $CLUSTERED;

CREATE TABLE logged_model_metrics (
    model_id       TEXT NOT NULL REFERENCES logged_models (model_id),
    run_no         BIGINT NOT NULL REFERENCES runs (run_no),
    key            TEXT NOT NULL,
    step           BIGINT NOT NULL,
    timestamp      BIGINT NOT NULL,
    value          DOUBLE PRECISION NOT NULL,
    is_nan         SMALLINT NOT NULL DEFAULT 0,
    dataset_name   TEXT NOT NULL DEFAULT '',
    dataset_digest TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (model_id, run_no, key, step, timestamp, value, is_nan, dataset_name, dataset_digest)
) $CLUSTERED;

CREATE TABLE run_models (
    run_no    BIGINT NOT NULL REFERENCES runs (run_no),
    direction TEXT NOT NULL CHECK (direction IN ('input', 'output')),
    model_id  TEXT NOT NULL,
    step      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_no, direction, model_id)
) $CLUSTERED;

CREATE TABLE registered_models (
    name              TEXT PRIMARY KEY,
    description       TEXT NOT NULL DEFAULT '',
    creation_time     BIGINT NOT NULL,
    last_updated_time BIGINT NOT NULL,
    last_version      BIGINT NOT NULL DEFAULT 0      -- a number is never given twice, also after a deletion
);

CREATE TABLE registered_model_tags (
    name  TEXT NOT NULL REFERENCES registered_models (name) ON UPDATE CASCADE ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name, key)
) $CLUSTERED;

CREATE TABLE model_versions (
    name              TEXT NOT NULL REFERENCES registered_models (name) ON UPDATE CASCADE ON DELETE CASCADE,
    version           BIGINT NOT NULL,
    description       TEXT NOT NULL DEFAULT '',
    source            TEXT NOT NULL,
    run_id            TEXT NOT NULL DEFAULT '',
    run_link          TEXT NOT NULL DEFAULT '',
    model_id          TEXT NOT NULL DEFAULT '',
    stage             TEXT NOT NULL DEFAULT 'None',
    creation_time     BIGINT NOT NULL,
    last_updated_time BIGINT NOT NULL,
    PRIMARY KEY (name, version)
) $CLUSTERED;

CREATE TABLE model_version_tags (
    name    TEXT NOT NULL,
    version BIGINT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (name, version, key),
    FOREIGN KEY (name, version) REFERENCES model_versions (name, version) ON UPDATE CASCADE ON DELETE CASCADE
) $CLUSTERED;

CREATE TABLE registered_model_aliases (
    name    TEXT NOT NULL,
    alias   TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (name, alias),
    FOREIGN KEY (name, version) REFERENCES model_versions (name, version) ON UPDATE CASCADE ON DELETE CASCADE
) $CLUSTERED;

INSERT INTO experiments (experiment_id, name, artifact_location, creation_time, last_update_time)
VALUES (0, 'Default', 'mlflow-artifacts:/0', $NOW, $NOW);
