"""The registry by MLflow's client of any version: models, versions, stages, aliases, tags, and loading by name."""
# Written as the scripts of people are, for Python 3.8 and the MLflow of each year.
# mypy: ignore-errors
# ruff: noqa: UP031

import json
import sys
import warnings

import mlflow
import numpy
import pandas
from calls import called, note_calls
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

warnings.simplefilter("ignore")
VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
HAS_ALIASES = VERSION >= (2, 3)
public = note_calls()
client = MlflowClient()
mlflow.set_experiment("registry")
features, labels = load_iris(return_X_y=True)


def check(what, condition):
    if not condition:
        raise SystemExit("FAILED: %s" % what)


def refused(code, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except MlflowException as error:
        check("%s, not %s: %s" % (code, error.error_code, error), error.error_code == code)
    else:
        check("%s is refused with %s" % (function.__name__, code), False)


def log(registered=None):
    model = LogisticRegression(max_iter=200).fit(features, labels)
    where = {"name": "model"} if VERSION >= (3, 0) else {"artifact_path": "model"}
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, registered_model_name=registered, **where)
    return run.info.run_id, info, model


def same(uri):
    return numpy.array_equal(mlflow.sklearn.load_model(uri).predict(features), model.predict(features))


# Registering: with the log, from a run, by hand.
run_id, info, model = log("iris")
check("model uri", same(info.model_uri) and same("runs:/%s/model" % run_id))
check("by number", same("models:/iris/1"))
if VERSION >= (1, 24):
    check("latest", same("models:/iris/latest"))
second = mlflow.register_model("runs:/%s/model" % run_id, "iris")
check("the next number", str(second.version) == "2" and second.status == "READY")
third = client.create_model_version("iris", client.get_model_version("iris", "1").source, run_id)
check("by hand", str(third.version) == "3" and third.run_id == run_id)
refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "iris")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "no")
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "iris", "77")
check("pyfunc", mlflow.pyfunc.load_model("models:/iris/2").predict(features).shape == (150,))

# Descriptions, tags, and their removal.
client.create_registered_model("other", {"team": "blue"}, "what it is for")
client.update_registered_model("iris", "flowers")
client.update_model_version("iris", "1", "the first")
client.set_registered_model_tag("iris", "team", "green")
client.set_registered_model_tag("iris", "gone", "x")
client.delete_registered_model_tag("iris", "gone")
client.set_model_version_tag("iris", "1", "checked", "yes")
client.set_model_version_tag("iris", "1", "gone", "x")
client.delete_model_version_tag("iris", "1", "gone")
found = client.get_registered_model("iris")
check(
    "description",
    found.description == "flowers" and found.tags["team"] == "green" and "gone" not in found.tags,
)
version = client.get_model_version("iris", "1")
check("version", version.description == "the first" and version.tags["checked"] == "yes")
check("no tag", "gone" not in version.tags and version.run_id == run_id)
if VERSION >= (3, 0):
    mlflow.set_model_version_tag("iris", "2", "fluent", "yes")
    check("fluent tag", client.get_model_version("iris", "2").tags["fluent"] == "yes")
check("download", "/model" in client.get_model_version_download_uri("iris", "1") or VERSION >= (3, 0))

# A version of another model with the same files, and a model judged by its address.
if VERSION >= (2, 8):
    client.create_registered_model("copies")
    copied = client.copy_model_version("models:/iris/1", "copies")
    check("copied", str(copied.version) == "1" and same("models:/copies/1"))
    client.delete_registered_model("copies")
with mlflow.start_run() as judged:
    mlflow.evaluate(
        "models:/iris/1",
        pandas.DataFrame(features).assign(label=labels),
        targets="label",
        model_type="classifier",
        evaluators="default",
        evaluator_config={"log_model_explainability": False},
    )
data = client.get_run(judged.info.run_id).data
check("evaluated: %s" % sorted(data.metrics), any("accuracy" in name for name in data.metrics))

# Stages, which MLflow 3 still serves.
client.transition_model_version_stage("iris", "1", "Production")
client.transition_model_version_stage("iris", "2", "production", archive_existing_versions=True)
check("archived", client.get_model_version("iris", "1").current_stage == "Archived")
latest = client.get_latest_versions("iris", ["Production"])
check("latest", [str(item.version) for item in latest] == ["2"])
check("all", len(client.get_latest_versions("iris")) == 3)
check("by stage", same("models:/iris/Production"))
check("stages", client.get_model_version_stages("iris", "1") == ["None", "Staging", "Production", "Archived"])
refused("INVALID_PARAMETER_VALUE", client.transition_model_version_stage, "iris", "1", "nowhere")

# Aliases.
if HAS_ALIASES:
    client.set_registered_model_alias("iris", "best", "1")
    client.set_registered_model_alias("iris", "best", "2")
    client.set_registered_model_alias("iris", "gone", "1")
    client.delete_registered_model_alias("iris", "gone")
    check("alias", str(client.get_model_version_by_alias("iris", "best").version) == "2")
    check("by alias", same("models:/iris@best"))
    check(
        "aliases",
        {key: str(of) for key, of in client.get_registered_model("iris").aliases.items()} == {"best": "2"},
    )
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, "iris", "gone")

# Searches.
check("versions", len(client.search_model_versions("name = 'iris'")) == 3)
check("of the run", len(client.search_model_versions("run_id = '%s'" % run_id)) == 3)
if VERSION >= (2, 0):
    ordered = client.search_model_versions("name = 'iris'", max_results=2, order_by=["version_number ASC"])
    check("order", [str(item.version) for item in ordered] == ["1", "2"])
    rest = client.search_model_versions(
        "name = 'iris'", max_results=2, order_by=["version_number ASC"], page_token=ordered.token
    )
    check("pages", [str(item.version) for item in rest] == ["3"] and not rest.token)
if VERSION >= (1, 30):
    check("tags", [item.name for item in client.search_registered_models("tags.team = 'blue'")] == ["other"])
names = [item.name for item in client.search_registered_models(order_by=["name DESC"])]
check("models: %s" % names, names == ["other", "iris"])
check("like", [item.name for item in client.search_registered_models("name ILIKE 'I%'")] == ["iris"])
one = client.search_registered_models(max_results=1)
two = client.search_registered_models(max_results=1, page_token=one.token)
check("model pages", [one[0].name, two[0].name] == ["iris", "other"])
if VERSION < (2, 0):
    check("list", [item.name for item in client.list_registered_models()] == ["iris", "other"])
if VERSION >= (2, 13):
    check("fluent", [item.name for item in mlflow.search_registered_models()] == ["iris", "other"])
    check("fluent versions", len(mlflow.search_model_versions(filter_string="name = 'iris'")) == 3)

# Whatever library there is, logged by itself.
mlflow.autolog(silent=True)
with mlflow.start_run() as automatic:
    LogisticRegression(max_iter=150).fit(features, labels)
mlflow.autolog(disable=True, silent=True)
check("autolog", client.get_run(automatic.info.run_id).data.params["max_iter"] == "150")

# Renaming and deleting.
client.rename_registered_model("iris", "rose")
check("renamed", same("models:/rose/1") and client.get_model_version("rose", "1").tags["checked"] == "yes")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "iris")
client.delete_model_version("rose", "3")
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "rose", "3")
client.delete_registered_model("other")
check("deleted", [item.name for item in client.search_registered_models()] == ["rose"])
_, _, model = log("rose")
check(
    "no number twice", str(max(int(v.version) for v in client.search_model_versions("name = 'rose'"))) == "4"
)
json.dump({"version": mlflow.__version__, "public": public, "called": sorted(called)}, sys.stdout)
