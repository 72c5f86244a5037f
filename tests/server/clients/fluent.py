"""What people do with MLflow, by whatever version of it runs this; ends with a JSON object of what it saw."""
# Written as the scripts of people are, for Python 3.8 and the MLflow of each year.
# mypy: ignore-errors
# ruff: noqa: PTH103, PTH118, PTH123, UP031

import json
import math
import os
import sys
import tempfile
import threading

import mlflow
from mlflow.tracking import MlflowClient

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
PARAMS = 120 if VERSION >= (1, 30) else 99  # older clients do not cut them into batches of 100
seen = {"version": mlflow.__version__}


def check(what, condition):
    if not condition:
        raise SystemExit("FAILED: %s" % what)


def paths(entries):
    return sorted((entry.path, entry.is_dir, entry.file_size) for entry in entries)


def write_files(directory):
    os.makedirs(os.path.join(directory, "sub", "deep"))
    open(os.path.join(directory, "empty.txt"), "w").close()
    for name in ("a.txt", os.path.join("sub", "b.txt"), os.path.join("sub", "deep", "ü 1.txt")):
        with open(os.path.join(directory, name), "w") as file:
            file.write(name)


client = MlflowClient()
mlflow.set_experiment("fluent " + mlflow.__version__)
experiment = mlflow.get_experiment_by_name("fluent " + mlflow.__version__)
check("experiment", client.get_experiment(experiment.experiment_id).name == experiment.name)

# Runs: new, nested, resumed.
with mlflow.start_run(run_name="parent") as parent:
    mlflow.log_param("depth", 3)
    mlflow.log_params({"p%d" % number: number for number in range(PARAMS)})
    mlflow.log_param("depth", 3)
    mlflow.log_metric("loss", 0.5)
    for step in range(5):
        mlflow.log_metric("curve", 1.0 / (step + 1), step=step)
    mlflow.log_metric("negative", 1.0, step=-3)
    mlflow.log_metrics({"accuracy": 0.9, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}, step=2)
    mlflow.set_tag("colour", "grün")
    mlflow.set_tags({"one": 1, "gone": "x"})
    mlflow.delete_tag("gone")
    try:
        mlflow.log_param("depth", 4)
        check("a second value of a parameter is refused", False)
    except mlflow.exceptions.MlflowException as error:
        check("text of the refusal", "Changing param values is not allowed" in str(error))
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metric("loss", 0.25)
with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metric("resumed", 1)
failed = None
try:
    with mlflow.start_run() as failed:
        raise KeyError("the script fails")
except KeyError:
    pass
run = client.get_run(parent.info.run_id)
check("status", run.info.status == "FINISHED" and client.get_run(failed.info.run_id).info.status == "FAILED")
check("end time", run.info.end_time >= run.info.start_time)
check("params", run.data.params["depth"] == "3" and len(run.data.params) == PARAMS + 1)
check("metrics", run.data.metrics["curve"] == 0.2 and run.data.metrics["resumed"] == 1)
check(
    "nan",
    math.isnan(run.data.metrics["nan"]) and run.data.metrics["inf"] >= 1e308 and run.data.metrics["-inf"] < 0,
)
check(
    "tags", run.data.tags["colour"] == "grün" and run.data.tags["one"] == "1" and "gone" not in run.data.tags
)
check("name", run.data.tags["mlflow.runName"] == "parent")
check("nested", client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id)
history = client.get_metric_history(parent.info.run_id, "curve")
check("history", [point.step for point in history] == list(range(5)))
check("negative step", client.get_metric_history(parent.info.run_id, "negative")[0].step == -3)

# Artifacts.
with tempfile.TemporaryDirectory() as directory, mlflow.start_run() as stored:
    write_files(directory)
    mlflow.log_text("hello", "texts/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "data.json")
    mlflow.log_artifacts(directory, "tree")
    mlflow.log_artifact(os.path.join(directory, "a.txt"))
    mlflow.log_artifact(os.path.join(directory, "empty.txt"), "nothing")
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plot

        figure, axes = plot.subplots()
        axes.plot([1, 2])
        mlflow.log_figure(figure, "figure.png")
        seen["figure"] = client.list_artifacts(stored.info.run_id)[2].file_size > 100
    except ImportError:
        seen["figure"] = None
    run_id = stored.info.run_id
    names = [name for name, _, _ in paths(client.list_artifacts(run_id)) if name != "figure.png"]
    check("root: %s" % names, names == ["a.txt", "data.json", "nothing", "texts", "tree"])
    check(
        "sub",
        paths(client.list_artifacts(run_id, "tree/sub"))
        == [("tree/sub/b.txt", False, 9), ("tree/sub/deep", True, None)],
    )
    check("empty", paths(client.list_artifacts(run_id, "nothing")) == [("nothing/empty.txt", False, 0)])
    with tempfile.TemporaryDirectory() as target:
        here = client.download_artifacts(run_id, "tree", target)
        found = sorted(
            os.path.relpath(os.path.join(at, name), here) for at, _, files in os.walk(here) for name in files
        )
        check("tree: %s" % found, found == ["a.txt", "empty.txt", "sub/b.txt", "sub/deep/ü 1.txt"])
        with open(client.download_artifacts(run_id, "texts/hello.txt", target)) as file:
            check("text", file.read() == "hello")

# Inputs.
if VERSION >= (2, 4):
    import numpy

    dataset = mlflow.data.from_numpy(numpy.arange(6).reshape(3, 2), name="numbers")
    with mlflow.start_run() as reading:
        mlflow.log_input(dataset, context="training")
    used = client.get_run(reading.info.run_id).inputs.dataset_inputs
    check("dataset", used[0].dataset.name == "numbers" and used[0].tags[0].value == "training")

# Searches, and the life of runs and experiments.
found = client.search_runs(
    [experiment.experiment_id], "metrics.accuracy > 0.5 and params.depth = '3' and tags.one = '1'"
)
check("search", [item.info.run_id for item in found] == [parent.info.run_id])
ordered = client.search_runs([experiment.experiment_id], order_by=["metrics.loss ASC"], max_results=2)
check("order", [item.info.run_id for item in ordered] == [child.info.run_id, parent.info.run_id])
first = client.search_runs([experiment.experiment_id], max_results=1)
second = client.search_runs([experiment.experiment_id], max_results=1, page_token=first.token)
check("pages", first[0].info.run_id != second[0].info.run_id)
frame = mlflow.search_runs([experiment.experiment_id])
check("frame", "metrics.loss" in frame.columns)
client.delete_run(failed.info.run_id)
check(
    "deleted",
    failed.info.run_id not in [item.info.run_id for item in client.search_runs([experiment.experiment_id])],
)
client.restore_run(failed.info.run_id)
client.set_experiment_tag(experiment.experiment_id, "team", "blue")
other = client.create_experiment("other " + mlflow.__version__)
client.rename_experiment(other, "another " + mlflow.__version__)
client.delete_experiment(other)
client.restore_experiment(other)
if VERSION < (2, 0):
    names = [item.name for item in client.list_experiments()]
else:
    names = [item.name for item in client.search_experiments(filter_string="tags.team = 'blue'")]
check("experiments", experiment.name in names)
ended = client.create_run(experiment.experiment_id)
client.set_terminated(ended.info.run_id, "KILLED")
check("killed", client.get_run(ended.info.run_id).info.status == "KILLED")

# Asynchronous logging: ten threads, ten connections, any order.
if VERSION >= (2, 8):
    with mlflow.start_run() as busy:
        for step in range(200):
            mlflow.log_metric("async", step, step=step, synchronous=False)
        mlflow.log_params({"async": 1}, synchronous=False)
        mlflow.flush_async_logging() if hasattr(mlflow, "flush_async_logging") else None
    check("async latest", client.get_run(busy.info.run_id).data.metrics["async"] == 199)
    check("async all", len(client.get_metric_history(busy.info.run_id, "async")) == 200)
with mlflow.start_run() as threaded:
    work = [
        threading.Thread(target=client.log_metric, args=(threaded.info.run_id, "t", number, None, number))
        for number in range(20)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
check("threads", client.get_run(threaded.info.run_id).data.metrics["t"] == 19)

seen["artifact_uri"] = parent.info.artifact_uri
json.dump(seen, sys.stdout)
