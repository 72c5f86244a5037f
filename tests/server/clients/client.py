"""Every function of MLflow's client, and of its fluent interface, about experiments, runs and files."""
# Written as the scripts of people are, for Python 3.8 and the MLflow of each year.
# mypy: ignore-errors
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH123, UP031

import io
import json
import math
import os
import sys
import tempfile
import time
import warnings

import mlflow
import numpy
import pandas
from calls import called, note_calls
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

warnings.simplefilter("ignore")
VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
public = note_calls()
client = MlflowClient()


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


# The address.
check("address", mlflow.get_tracking_uri() == mlflow.get_registry_uri() == os.environ["MLFLOW_TRACKING_URI"])
mlflow.set_tracking_uri(mlflow.get_tracking_uri())
mlflow.set_registry_uri(mlflow.get_tracking_uri())
check("is set", mlflow.is_tracking_uri_set())

# Experiments.
tags = {"tags": {"team": "blue"}} if VERSION >= (1, 15) else {}
first = client.create_experiment("first", **tags)
second = mlflow.create_experiment("second")
check("get", client.get_experiment(first).name == mlflow.get_experiment(first).name == "first")
check("location", client.get_experiment(first).artifact_location == "mlflow-artifacts:/%s" % first)
check("by name", client.get_experiment_by_name("second").experiment_id == second)
check("none", client.get_experiment_by_name("no") is None and mlflow.get_experiment_by_name("no") is None)
refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "first")
refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "12345")
client.set_experiment_tag(first, "level", "1")
check("tags", client.get_experiment(first).tags == {"team": "blue", "level": "1"})
client.rename_experiment(second, "renamed")
client.delete_experiment(second)
check("deleted", client.get_experiment(second).lifecycle_stage == "deleted")
refused("INVALID_PARAMETER_VALUE", client.create_run, second)
if VERSION >= (1, 28):
    names = [item.name for item in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
    check("deleted only: %s" % names, names == ["renamed"])
    found = client.search_experiments(filter_string="tags.team = 'blue'", order_by=["name ASC"])
    check("search", [item.name for item in found] == ["first"])
    page = client.search_experiments(view_type=ViewType.ALL, max_results=2)
    rest = client.search_experiments(view_type=ViewType.ALL, max_results=2, page_token=page.token)
    check("pages", len(page) == 2 and [item.name for item in rest] == ["Default"] and not rest.token)
    check("fluent", [item.name for item in mlflow.search_experiments()] == ["first", "Default"])
if VERSION < (2, 0):
    page = client.list_experiments(view_type=ViewType.ALL, max_results=2)
    check("list", len(page) == 2 and page.token)
    check("fluent list", [item.name for item in mlflow.list_experiments()] == ["first", "Default"])
client.restore_experiment(second)
mlflow.delete_experiment(second)
(mlflow if VERSION >= (3, 0) else client).restore_experiment(second)
mlflow.set_experiment("renamed")
mlflow.set_experiment_tag("one", 1)
mlflow.set_experiment_tags({"a": 1, "b": 2})
check("fluent tags", client.get_experiment(second).tags == {"one": "1", "a": "1", "b": "2"})
if VERSION >= (3, 0):
    mlflow.delete_experiment_tag("one")
    check("no fluent tag", "one" not in client.get_experiment(second).tags)
if VERSION >= (2, 20) and hasattr(client, "delete_experiment_tag"):
    client.set_experiment_tag(second, "gone", "x")
    client.delete_experiment_tag(second, "gone")
    check("no tag", "gone" not in client.get_experiment(second).tags)

# Runs by the client.
named = {"run_name": "named"} if VERSION >= (1, 30) else {}
run = client.create_run(first, start_time=1000, tags={"a": "b"}, **named)
run_id = run.info.run_id
check("created", run.info.start_time == 1000 and run.info.status == "RUNNING" and run.data.tags["a"] == "b")
client.log_param(run_id, "p", 1)
client.log_metric(run_id, "m", 0.1, timestamp=5, step=1)
client.log_metric(run_id, "m", 0.2, timestamp=4, step=2)
client.log_metric(run_id, "m", 0.3, timestamp=9, step=0)
now = int(time.time() * 1000)
client.log_batch(
    run_id,
    metrics=[Metric("many", number, now, number) for number in range(1000)],
)
client.log_batch(run_id, params=[Param("p%d" % number, str(number)) for number in range(100)])
client.log_batch(run_id, tags=[RunTag("t%d" % number, str(number)) for number in range(100)])
client.log_metric(run_id, "a/b c.d-e_f:g" if VERSION >= (2, 18) else "a/b c.d-e_f", math.nan)
client.set_tag(run_id, "k", "v")
client.delete_tag(run_id, "k")
refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run_id, "k")
data = client.get_run(run_id).data
check("latest by step", data.metrics["m"] == 0.2 and data.metrics["many"] == 999)
check("params", data.params["p"] == "1" and len(data.params) == 101)
check("tags", data.tags["t99"] == "99" and "k" not in data.tags)
points = client.get_metric_history(run_id, "many")
check("history", [point.step for point in points] == list(range(1000)))
check("times", [point.timestamp for point in client.get_metric_history(run_id, "m")] != [])
check("no history", client.get_metric_history(run_id, "nothing") == [])
if VERSION >= (1, 28):
    client.update_run(run_id, name="renamed")
    check("name", client.get_run(run_id).data.tags["mlflow.runName"] == "renamed")
client.set_terminated(run_id, "FAILED", end_time=2000)
check(
    "ended", client.get_run(run_id).info.end_time == 2000 and client.get_run(run_id).info.status == "FAILED"
)
refused("INVALID_PARAMETER_VALUE", client.log_param, run_id, "p", 2)
refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
refused("INVALID_PARAMETER_VALUE", client.log_metric, run_id, "../m", 1)
client.log_param(run_id, "long", "x" * 500)
client.set_tag(run_id, "long", "x" * 5000)

# Runs deleted, restored, searched.
other = client.create_run(first)
client.delete_run(other.info.run_id)
check("stage", client.get_run(other.info.run_id).info.lifecycle_stage == "deleted")
refused("INVALID_PARAMETER_VALUE", client.log_metric, other.info.run_id, "m", 1)
check("deleted runs", len(client.search_runs([first], run_view_type=ViewType.DELETED_ONLY)) == 1)
client.restore_run(other.info.run_id)
mlflow.delete_run(other.info.run_id)
check("active runs", len(client.search_runs([first])) == 1)
(mlflow if VERSION >= (3, 0) else client).restore_run(other.info.run_id)
check("fluent", mlflow.get_run(other.info.run_id).info.lifecycle_stage == "active")
if VERSION < (2, 0):
    infos = client.list_run_infos(first, max_results=1)
    check("infos", len(infos) == 1 and infos.token and len(mlflow.list_run_infos(first)) == 2)
found = client.search_runs([first, second], "metrics.m > 0.15 and params.p = '1' and tags.t99 LIKE '9%'")
check("found", [item.info.run_id for item in found] == [run_id])
check("missing", len(client.search_runs([first], "params.p != '2'")) == 1)
check("status", len(client.search_runs([first], "attributes.status = 'FAILED'")) == 1)
refused("INVALID_PARAMETER_VALUE", client.search_runs, [first], "metrics.m >")
pages, token = 0, None
while pages == 0 or token:
    page = client.search_runs([first], order_by=["attribute.start_time ASC"], max_results=1, page_token=token)
    pages, token = pages + 1, page.token
check("pages: %d" % pages, pages == 2)
frame = mlflow.search_runs([first], order_by=["metrics.m DESC"])
check("frame", list(frame["run_id"]) == [run_id, other.info.run_id] and frame["metrics.m"][0] == 0.2)
check("list", len(mlflow.search_runs([first], output_format="list")) == 2)
if VERSION >= (1, 30) and VERSION < (2, 0):
    check("names", len(mlflow.search_runs(experiment_names=["first"])) == 2)

# The fluent interface.
mlflow.set_experiment(experiment_id=first) if VERSION >= (1, 22) else mlflow.set_experiment("first")
mlflow.start_run(tags={"x": "y"})
check("active", mlflow.active_run().info.experiment_id == first)
mlflow.log_metric("c", 1)
mlflow.set_tag("d", "e")
mlflow.log_params({"a": 1, "b": "two"})
mlflow.log_metrics({"a": 1, "b": 2.5}, step=3)
mlflow.set_tags({"one": 1})
mlflow.delete_tag("one")
check("uri", mlflow.get_artifact_uri("x/y").startswith("mlflow-artifacts:/"))
with mlflow.start_run(nested=True) as child:
    mlflow.log_param("nested", "yes")
if VERSION >= (2, 3):
    for found in (mlflow.get_parent_run(child.info.run_id), client.get_parent_run(child.info.run_id)):
        check("parent", found.info.run_id == mlflow.active_run().info.run_id)
mlflow.end_run("KILLED")
if VERSION >= (1, 25):
    check("last", mlflow.last_active_run().info.status == "KILLED")

# Files.
with tempfile.TemporaryDirectory() as directory, mlflow.start_run() as stored:
    number = stored.info.run_id
    file = os.path.join(directory, "a.txt")
    with open(file, "w") as opened:
        opened.write("a")
    mlflow.log_artifact(file, "deep/er")
    mlflow.log_artifacts(directory)
    mlflow.log_text("text", "texts/a.txt")
    mlflow.log_dict({"a": [1, {"b": None}]}, "dict.json")
    mlflow.log_dict({"a": 1}, "dict.yml")
    client.log_artifact(number, file, "by client")
    client.log_artifacts(number, directory, "all")
    client.log_text(number, "text", "texts/b.txt")
    client.log_dict(number, {"a": 1}, "dicts/c.json")
    mlflow.log_image(numpy.zeros((4, 4, 3), dtype=numpy.uint8), "image.png")
    client.log_image(number, numpy.zeros((4, 4, 3), dtype=numpy.uint8), "all/image.png")
    expected = ["a.txt", "all", "by client", "deep", "dict.json", "dict.yml", "dicts", "image.png", "texts"]
    if VERSION >= (2, 13):
        mlflow.log_image(numpy.zeros((4, 4)), key="steps", step=1)
        expected.append("images")
    if VERSION >= (2, 3):
        mlflow.log_table({"a": [1, 2], "b": ["x", "y"]}, "table.json")
        client.log_table(number, {"a": [5]}, "all/table.json")
        check("by client", list(client.load_table(first, "all/table.json", [number])["a"]) == [5])
        mlflow.log_table(pandas.DataFrame({"a": [3], "b": ["z"]}), "table.json")
        check("table", list(mlflow.load_table("table.json", run_ids=[number])["a"]) == [1, 2, 3])
        expected.append("table.json")
    if VERSION >= (3, 0):
        mlflow.log_stream(io.BytesIO(b"stream"), "stream.bin")
        client.log_stream(number, io.BytesIO(b"stream"), "all/stream.bin")
        expected.append("stream.bin")
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plot

        figure, axes = plot.subplots()
        mlflow.log_figure(figure, "figure.png")
        client.log_figure(number, figure, "all/figure.png")
        expected.append("figure.png")
    except ImportError:
        pass
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"  # as for a server with its files in S3
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = "1"
    mlflow.log_artifact(file, "texts")
    names = [item.path for item in client.list_artifacts(number)]
    check("root: %s" % names, names == sorted(expected))
    check(
        "deep",
        [(item.path, item.is_dir) for item in client.list_artifacts(number, "deep")] == [("deep/er", True)],
    )
    check("file", client.list_artifacts(number, "deep/er")[0].file_size == 1)
    check("of a file", client.list_artifacts(number, "a.txt") == [])
    check("nothing", client.list_artifacts(number, "no") == [])
    whole = client.download_artifacts(number, "", directory) if VERSION < (2, 0) else None
    if VERSION >= (1, 25):
        whole = mlflow.artifacts.download_artifacts(run_id=number, artifact_path="", dst_path=directory)
        one = mlflow.artifacts.download_artifacts("runs:/%s/deep/er/a.txt" % number)
        with open(one) as opened:
            check("one", opened.read() == "a")
        check("text", mlflow.artifacts.load_text("runs:/%s/texts/b.txt" % number) == "text")
        check("dict", mlflow.artifacts.load_dict("runs:/%s/dict.json" % number) == {"a": [1, {"b": None}]})
        check("image", mlflow.artifacts.load_image("runs:/%s/image.png" % number).size == (4, 4))
    if VERSION >= (2, 0):
        by_uri = mlflow.artifacts.list_artifacts(artifact_uri="runs:/%s/all" % number)
        check("by uri", "a.txt" in [item.path.rpartition("/")[2] for item in by_uri])
    check("whole", os.path.exists(os.path.join(whole, "deep", "er", "a.txt")))
    try:
        client.download_artifacts(number, "no", directory)
        check("what is not there is no file", False)
    except (MlflowException, OSError):
        pass

# Datasets.
if VERSION >= (2, 4):
    rows = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    with mlflow.start_run() as reading:
        mlflow.log_input(mlflow.data.from_pandas(rows, name="rows", targets="a"), "training", {"x": "y"})
        mlflow.log_input(mlflow.data.from_numpy(numpy.zeros(3), name="zeros"), "evaluation")
    used = client.get_run(reading.info.run_id).inputs.dataset_inputs
    check("datasets", sorted(item.dataset.name for item in used) == ["rows", "zeros"])
    by_name = {item.dataset.name: item for item in used}
    check("tags", {tag.key: tag.value for tag in by_name["rows"].tags}["x"] == "y")
    check("schema", "mlflow_colspec" in by_name["rows"].dataset.schema)
    check("source", mlflow.data.get_source(by_name["rows"].dataset) is not None)
    found = client.search_runs([first], "dataset.name = 'rows' and dataset.context = 'training'")
    check("by dataset", [item.info.run_id for item in found] == [reading.info.run_id])
    client.log_inputs(reading.info.run_id, [by_name["zeros"]])
    check("once", len(client.get_run(reading.info.run_id).inputs.dataset_inputs) == 2)

# Asynchronous logging.
if VERSION >= (2, 8):
    with mlflow.start_run() as busy:
        for step in range(300):
            mlflow.log_metric("m", step, step=step, synchronous=False)
        mlflow.log_metrics({"n": 1, "o": 2}, step=1, synchronous=False)
        mlflow.log_params({"p": 1}, synchronous=False)
        mlflow.set_tags({"t": 1}, synchronous=False)
        waits = mlflow.log_metric("last", 1, synchronous=False)
        waits.wait()
        if hasattr(mlflow, "flush_async_logging"):
            mlflow.flush_async_logging()
    data = client.get_run(busy.info.run_id).data
    check("asynchronous", data.metrics["m"] == 299 and data.metrics["last"] == 1 and data.params["p"] == "1")
    check("all points", len(client.get_metric_history(busy.info.run_id, "m")) == 300)
if VERSION >= (2, 10):
    mlflow.config.enable_async_logging(True)
    with mlflow.start_run() as enabled:
        for step in range(50):
            mlflow.log_metric("m", step, step=step)
        mlflow.log_param("p", 1)
        mlflow.log_text("later", "later.txt")
        mlflow.flush_async_logging()
        mlflow.flush_artifact_async_logging()
    mlflow.config.enable_async_logging(False)
    check("enabled", len(client.get_metric_history(enabled.info.run_id, "m")) == 50)

# Metrics of the machine.
if VERSION >= (2, 8):
    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(0.1)
    mlflow.set_system_metrics_samples_before_logging(1)
    mlflow.set_system_metrics_node_id("here")
    with mlflow.start_run() as watched:
        until = time.time() + 60
        while not client.get_run(watched.info.run_id).data.metrics and time.time() < until:
            time.sleep(0.1)
    mlflow.disable_system_metrics_logging()
    names = client.get_run(watched.info.run_id).data.metrics
    check("system metrics: %s" % sorted(names), "system/here/cpu_utilization_percentage" in names)

# What only MLflow 3 has.
if VERSION >= (3, 0):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    with mlflow.start_run() as outer:
        made = mlflow.create_external_model(name="outside", model_type="agent", params={"a": "1"})
        mlflow.log_metric("quality", 0.5, model_id=made.model_id)
        mlflow.log_metrics({"speed": 2}, model_id=made.model_id)
    check("external", mlflow.get_logged_model(made.model_id).params["a"] == "1")
    mlflow.set_logged_model_tags(made.model_id, {"t": "1", "u": "2"})
    mlflow.delete_logged_model_tag(made.model_id, "u")
    mlflow.log_model_params({"b": "2"}, model_id=made.model_id)
    again = client.get_logged_model(made.model_id)
    check("tags", {key: value for key, value in again.tags.items() if key in "tu"} == {"t": "1"})
    check("params", again.params == {"a": "1", "b": "2"})
    check("metrics", {metric.key: metric.value for metric in again.metrics} == {"quality": 0.5, "speed": 2})
    found = mlflow.search_logged_models(
        [first], filter_string="name = 'outside' and metrics.quality > 0.4", output_format="list"
    )
    check("search", [item.model_id for item in found] == [made.model_id])
    with mlflow.start_run(run_id=outer.info.run_id):
        on = mlflow.data.from_pandas(rows, name="rows")
        mlflow.log_metric("quality", 0.1, model_id=made.model_id, dataset=on)
    for dataset, count in (("rows", 1), ("other", 0)):
        found = mlflow.search_logged_models(
            [first], datasets=[{"dataset_name": dataset}], output_format="list"
        )
        check("by dataset %s" % dataset, len(found) == count)
    ordered = client.search_logged_models(
        [first], order_by=[{"field_name": "metrics.quality", "ascending": False}], max_results=1
    )
    check("order", [item.model_id for item in ordered] == [made.model_id])
    pending = mlflow.initialize_logged_model(name="pending")
    mlflow.finalize_logged_model(pending.model_id, "FAILED")
    check("failed", mlflow.get_logged_model(pending.model_id).status == "FAILED")
    check("last", mlflow.last_logged_model().model_id == pending.model_id)
    client.delete_logged_model(pending.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, pending.model_id)
    with mlflow.start_run() as linked, tempfile.TemporaryDirectory() as directory:
        run_id = linked.info.run_id
        own = client.create_logged_model(first, "own", run_id, {"a": 1, "b": 2}, {"c": "3"}, "agent")
        client.log_model_params(own.model_id, {"d": "4"})
        client.set_logged_model_tags(own.model_id, {"e": "5"})
        client.delete_logged_model_tag(own.model_id, "b")
        with open(os.path.join(directory, "file.txt"), "w") as opened:
            opened.write("file")
        client.log_model_artifact(own.model_id, os.path.join(directory, "file.txt"))
        client.log_model_artifacts(own.model_id, directory, "all")
        own = client.finalize_logged_model(own.model_id, "READY")
        outputs = [LoggedModelOutput(own.model_id, 7)]
        mlflow.log_outputs(outputs)
        client.log_outputs(run_id, outputs)
        mlflow.log_inputs([mlflow.data.from_numpy(numpy.zeros(3))], ["test"], [{"x": "y"}], None)
        client.log_inputs(run_id, models=[LoggedModelInput(made.model_id)])
    listed = [item.path for item in client.list_logged_model_artifacts(own.model_id)]
    check("files: %s" % listed, listed == ["all", "file.txt"])
    listed = [item.path for item in client.list_logged_model_artifacts(own.model_id, "all")]
    check("files below: %s" % listed, listed == ["all/file.txt"])
    check("own params", own.params == {"c": "3", "d": "4"} and own.status == "READY")
    check("own tags", own.tags["a"] == "1" and own.tags["e"] == "5" and "b" not in own.tags)
    ran = mlflow.get_run(run_id)
    check("outputs", [(one.model_id, one.step) for one in ran.outputs.model_outputs] == [(own.model_id, 7)])
    check("inputs", [one.model_id for one in ran.inputs.model_inputs] == [made.model_id])
    check("datasets", len(ran.inputs.dataset_inputs) == 1)
    mlflow.set_active_model(name="own")
    check("active", mlflow.get_active_model_id() == own.model_id)
    mlflow.clear_active_model()
    check("inactive", mlflow.get_active_model_id() is None)

# A project of two steps' depth, executed here, with its run in our server.
project = os.path.join(os.path.dirname(os.path.abspath(__file__)), "project")
here = {"env_manager": "local"} if VERSION >= (1, 25) else {"use_conda": False}
submitted = mlflow.projects.run(project, parameters={"alpha": 0.5}, experiment_id=first, **here)
check("project", submitted.wait() and submitted.get_status() == "FINISHED")
ran = client.get_run(submitted.run_id)
check("of the project", ran.data.params["alpha"] == "0.5" and ran.data.metrics["doubled"] == 1.0)
check("source", ran.data.tags["mlflow.source.type"] == "PROJECT" and ran.info.status == "FINISHED")
check("entry point", ran.data.tags["mlflow.project.entryPoint"] == "main")
failing = mlflow.run(project, "fail", parameters={}, experiment_id=first, synchronous=False, **here)
check("failure", not failing.wait() and client.get_run(failing.run_id).info.status == "FAILED")
json.dump({"version": mlflow.__version__, "public": public, "called": sorted(called)}, sys.stdout)
