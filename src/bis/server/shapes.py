"""What goes in and out of the endpoints: the objects of MLflow's protocol, in a notation of one line each.

    name:type!        a field; without a type it is a text, with ``!`` it must be there
    name:type[]       a list

``int`` is a whole number of 64 bits, ``number`` a number or the text ``NaN``, ``Infinity``, ``-Infinity``; in a request
both may be texts. Other types are objects of ``OBJECTS`` and texts of ``CHOICES``. The names are those of MLflow's
protobuf definitions (service.proto, model_registry.proto, mlflow_artifacts.proto of 3.17).
"""

from __future__ import annotations

NEW_METRIC = (
    "key! value:number! timestamp:int! step:int model_id dataset_name dataset_digest"  # as LogMetric has it
)
_METRIC = "key! value:number! timestamp:int! step:int! model_id dataset_name dataset_digest"
_MODEL_VERSION = (
    "name! version! creation_timestamp:int! last_updated_timestamp:int! current_stage! source! status!"
    " description run_id run_link model_id tags:Tag[] aliases[]"
)

SERVER_INFO = (
    "store_type! workspaces_enabled:bool! multipart_uploads_enabled:bool! multipart_downloads_enabled:bool!"
)

REQUEST_OBJECTS = {
    "NewTag": "key! value",
    "NewMetric": NEW_METRIC,
    "NewModelLink": "model_id! step:int",
    "NewDatasetInput": "dataset:NewDataset! tags:NewTag[]",
    "NewDataset": "name! digest! source_type! source! schema profile",
    "DatasetFilter": "dataset_name! dataset_digest",
    "OrderBy": "field_name! ascending:bool dataset_name dataset_digest",
}
"""What clients send; fields that are not named here are ignored."""

OBJECTS = {
    "Tag": "key! value!",
    "Metric": _METRIC,
    "MetricOfRun": f"{_METRIC} run_id!",
    "Experiment": (
        "experiment_id! name! artifact_location! lifecycle_stage:LifecycleStage! creation_time:int!"
        " last_update_time:int! tags:Tag[]"
    ),
    "Run": "info:RunInfo! data:RunData! inputs:RunInputs! outputs:RunOutputs!",
    "RunInfo": (
        "run_id! run_uuid! run_name! experiment_id! user_id! status:RunStatus! start_time:int! end_time:int"
        " artifact_uri! lifecycle_stage:LifecycleStage!"
    ),
    "RunData": "metrics:Metric[] params:Tag[] tags:Tag[]",
    "RunInputs": "dataset_inputs:DatasetInput[] model_inputs:ModelInput[]",
    "RunOutputs": "model_outputs:ModelOutput[]",
    "DatasetInput": "dataset:Dataset! tags:Tag[]",
    "Dataset": "name! digest! source_type! source! schema profile",
    "DatasetSummary": "experiment_id! name! digest! context",
    "ModelInput": "model_id!",
    "ModelOutput": "model_id! step:int!",
    "File": "path! is_dir:bool! file_size:int",
    "LoggedModel": "info:LoggedModelInfo! data:LoggedModelData!",
    "LoggedModelInfo": (
        "model_id! experiment_id! name! creation_timestamp_ms:int! last_updated_timestamp_ms:int! artifact_uri!"
        " status:LoggedModelStatus! model_type source_run_id tags:Tag[]"
    ),
    "LoggedModelData": "params:Tag[] metrics:MetricOfRun[]",
    "RegisteredModel": (
        "name! creation_timestamp:int! last_updated_timestamp:int! description latest_versions:ModelVersion[]"
        " tags:Tag[] aliases:Alias[]"
    ),
    "Alias": "alias! version!",
    "ModelVersion": _MODEL_VERSION,
    "Error": "error_code! message!",
}
"""What the server sends, with all fields that it may have."""

CHOICES = {
    "LifecycleStage": ("active", "deleted"),
    "LoggedModelStatus": ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"),
    "RunStatus": ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"),
    "View": ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"),
}
"""Texts that are one of a few."""
