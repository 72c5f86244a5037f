"""Models and autologging of scikit-learn by MLflow 2 and 3; ends with a JSON object of what it saw."""
# Written as the scripts of people are, for Python 3.8 and the MLflow of each year.
# mypy: ignore-errors
# ruff: noqa: UP031

import json
import sys

import mlflow
import numpy
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

THREE = int(mlflow.__version__.split(".")[0]) >= 3
client = MlflowClient()
mlflow.set_experiment("models")
features, labels = load_iris(return_X_y=True)


def check(what, condition):
    if not condition:
        raise SystemExit("FAILED: %s" % what)


model = LogisticRegression(max_iter=200).fit(features, labels)
with mlflow.start_run() as logged:
    arguments = {"name": "model"} if THREE else {"artifact_path": "model"}
    info = mlflow.sklearn.log_model(
        model, input_example=features[:2], registered_model_name="iris", **arguments
    )
again = mlflow.sklearn.load_model(info.model_uri)
check("loaded", numpy.array_equal(again.predict(features), model.predict(features)))
by_name = mlflow.sklearn.load_model("models:/iris/1")
check("registered", numpy.array_equal(by_name.predict(features), model.predict(features)))
check("runs uri", mlflow.pyfunc.load_model("runs:/%s/model" % logged.info.run_id) is not None)
check(
    "versions", [version.version for version in client.search_model_versions("name = 'iris'")] in (["1"], [1])
)
client.set_registered_model_alias("iris", "best", "1")
check("alias", str(client.get_model_version_by_alias("iris", "best").version) == "1")
check("found", [item.name for item in client.search_registered_models()] == ["iris"])
if THREE:
    check("logged model", client.get_logged_model(info.model_id).source_run_id == logged.info.run_id)
else:
    check("history", "mlflow.log-model.history" in client.get_run(logged.info.run_id).data.tags)

mlflow.autolog(silent=True)
with mlflow.start_run() as automatic:
    LogisticRegression(max_iter=200).fit(features, labels)
data = client.get_run(automatic.info.run_id).data
check("autolog", data.params["max_iter"] == "200" and "training_score" in data.metrics)
with mlflow.start_run() as search:
    GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1, 10]}, cv=2).fit(features, labels)
children = client.search_runs(
    [search.info.experiment_id], "tags.mlflow.parentRunId = '%s'" % search.info.run_id
)
check("grid search: %d" % len(children), len(children) == 3)
check("status", all(child.info.status == "FINISHED" for child in children))
json.dump(
    {"version": mlflow.__version__, "artifacts": len(client.list_artifacts(search.info.run_id))}, sys.stdout
)
