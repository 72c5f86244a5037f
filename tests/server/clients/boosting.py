"""Autologging of scikit-learn, XGBoost and LightGBM by MLflow of any version."""
# Written as the scripts of people are, for Python 3.8 and the MLflow of each year.
# mypy: ignore-errors
# ruff: noqa: UP031

import json
import sys
import warnings

import lightgbm
import mlflow
import numpy
import xgboost
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

warnings.simplefilter("ignore")
VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
client = MlflowClient()
mlflow.set_experiment("boosting")
features, labels = load_iris(return_X_y=True)


def check(what, condition):
    if not condition:
        raise SystemExit("FAILED: %s" % what)


def model_of(run):
    """What was logged with the run, loaded again by its address."""
    if VERSION < (3, 0):
        return mlflow.pyfunc.load_model("runs:/%s/model" % run.info.run_id)
    (output,) = client.get_run(run.info.run_id).outputs.model_outputs
    return mlflow.pyfunc.load_model("models:/%s" % output.model_id)


# XGBoost: a curve for each metric, the importances, the model.
mlflow.xgboost.autolog(importance_types=["weight"], silent=True)
train = xgboost.DMatrix(features, labels)
with mlflow.start_run() as trees:
    xgboost.train(
        {"objective": "multi:softprob", "num_class": 3},
        train,
        12,
        evals=[(train, "train")],
        verbose_eval=False,
    )
data = client.get_run(trees.info.run_id).data
check("parameters of xgboost", data.params["num_class"] == "3" and data.params["num_boost_round"] == "12")
points = client.get_metric_history(trees.info.run_id, "train-mlogloss")
check("curve of xgboost", [point.step for point in points] == list(range(12)))
check("latest of xgboost", data.metrics["train-mlogloss"] == points[-1].value)
check("model of xgboost", model_of(trees).predict(features).shape == (150, 3))
names = [item.path for item in client.list_artifacts(trees.info.run_id)]
check("importances: %s" % names, "feature_importance_weight.json" in names)
mlflow.xgboost.autolog(disable=True)

# LightGBM, with a registered model.
named = {"registered_model_name": "light"} if VERSION >= (1, 27) else {}
mlflow.lightgbm.autolog(silent=True, **named)
train = lightgbm.Dataset(features, labels)
with mlflow.start_run() as leaves:
    lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbosity": -1},
        train,
        7,
        valid_sets=[train],
        valid_names=["train"],
    )
run = client.get_run(leaves.info.run_id)
check("parameters of lightgbm", run.data.params["objective"] == "multiclass")
points = client.get_metric_history(leaves.info.run_id, "train-multi_logloss")
check("curve of lightgbm", [point.step for point in points] == list(range(7)))
check("model of lightgbm", model_of(leaves).predict(features).shape == (150, 3))
if named:
    check("registered", mlflow.pyfunc.load_model("models:/light/1").predict(features).shape == (150, 3))
mlflow.lightgbm.autolog(disable=True)

# scikit-learn: a fit, a search over a grid with a run for each point, and a metric after the fit.
mlflow.sklearn.autolog(silent=True)
with mlflow.start_run() as fitted:
    model = LogisticRegression(max_iter=200).fit(features, labels)
    model.score(features, labels)
data = client.get_run(fitted.info.run_id).data
check("parameters of scikit-learn", data.params["max_iter"] == "200")
check("metrics of scikit-learn", "training_score" in data.metrics)
check("metrics after the fit", any(name.startswith("LogisticRegression_score") for name in data.metrics))
check("model of scikit-learn", model_of(fitted).predict(features).shape == (150,))
with mlflow.start_run() as search:
    GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1, 10]}, cv=2).fit(features, labels)
children = client.search_runs(
    [search.info.experiment_id], "tags.mlflow.parentRunId = '%s'" % search.info.run_id
)
check("children: %d" % len(children), len(children) == 3)
check("ended", all(child.info.status == "FINISHED" for child in children))
best = max(children, key=lambda child: child.data.metrics["mean_test_score"])
check(
    "best",
    client.get_run(search.info.run_id).data.metrics["best_cv_score"] == best.data.metrics["mean_test_score"],
)
names = [item.path for item in client.list_artifacts(search.info.run_id)]
check("results: %s" % names, "cv_results.csv" in names)
if VERSION >= (2, 4):
    used = client.get_run(fitted.info.run_id).inputs.dataset_inputs
    check("dataset", used[0].tags[0].value == "train")
json.dump({"version": mlflow.__version__, "numpy": numpy.__version__}, sys.stdout)
