"""Logs into the run of its project, and one run below it."""
# mypy: ignore-errors

import sys

import mlflow

with mlflow.start_run():
    mlflow.log_metric("doubled", 2 * float(sys.argv[1]))
    with mlflow.start_run(nested=True):
        mlflow.log_text("inner", "inner.txt")
