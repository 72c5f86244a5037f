"""Prompts by MLflow's client: registered models of a kind of their own, with the text in a tag of each version."""
# Written as the scripts of people are, for the MLflow of each year since 2.21.
# mypy: ignore-errors
# ruff: noqa: UP031

import json
import sys
import warnings

import mlflow
from calls import called, note_calls
from mlflow.tracking import MlflowClient

warnings.simplefilter("ignore")
VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
public = note_calls()
client = MlflowClient()
mlflow.set_experiment("prompts")


def check(what, condition):
    if not condition:
        raise SystemExit("FAILED: %s" % what)


first = mlflow.register_prompt("greeting", "Hello {{name}}", "the first", tags={"team": "blue"})
second = client.register_prompt("greeting", "Good day {{name}}", "the second")
check("numbers", [int(first.version), int(second.version)] == [1, 2])
check("loaded", mlflow.load_prompt("prompts:/greeting/1").template == "Hello {{name}}")
check("by number", client.load_prompt("greeting", version=2).format(name="Ada") == "Good day Ada")
mlflow.set_prompt_alias("greeting", "best", 1)
check("by alias", mlflow.load_prompt("prompts:/greeting@best").template == "Hello {{name}}")
client.set_prompt_alias("greeting", "best", 2)
check("moved", client.load_prompt("prompts:/greeting@best").template == "Good day {{name}}")
client.set_prompt_alias("greeting", "gone", 1)
mlflow.delete_prompt_alias("greeting", "gone")
client.delete_prompt_alias("greeting", "best")
check("parsed", str(client.parse_prompt_uri("prompts:/greeting/1")[1]) == "1")
check("no models", client.search_registered_models() == [])
with mlflow.start_run() as run:
    pass
if VERSION < (3, 0):
    client.log_prompt(run.info.run_id, "prompts:/greeting/1")
    logged = client.list_logged_prompts(run.info.run_id)
    check("of the run", [int(prompt.version) for prompt in logged] == [1])
    client.detach_prompt_from_run(run.info.run_id, "prompts:/greeting/1")
    check("detached", client.list_logged_prompts(run.info.run_id) == [])
    mlflow.delete_prompt("greeting", 1)
    client.delete_prompt("greeting", 2)
else:
    client.link_prompt_version_to_run(run.info.run_id, "prompts:/greeting/1")
    check("linked", "greeting" in client.get_run(run.info.run_id).data.tags["mlflow.linkedPrompts"])
    made = mlflow.create_external_model(name="speaker")
    client.link_prompt_version_to_model("greeting", "1", made.model_id)
    client.list_logged_prompts(run.info.run_id)
    client.create_prompt("farewell", "when leaving", {"team": "green"})
    version = client.create_prompt_version("farewell", "Bye {{name}}", "short", {"tone": "warm"})
    check(
        "made", client.get_prompt_version("farewell", 1).tags["tone"] == "warm" and int(version.version) == 1
    )
    client.set_prompt_alias("farewell", "best", 1)
    check("alias", client.get_prompt_version_by_alias("farewell", "best").template == "Bye {{name}}")
    client.set_prompt_tag("farewell", "level", "1")
    client.set_prompt_tag("farewell", "gone", "1")
    client.delete_prompt_tag("farewell", "gone")
    client.set_prompt_version_tag("farewell", "1", "checked", "yes")
    client.set_prompt_version_tag("farewell", "1", "gone", "yes")
    client.delete_prompt_version_tag("farewell", "1", "gone")
    prompt, version = client.get_prompt("farewell"), client.get_prompt_version("farewell", "1")
    check("tags", prompt.tags["level"] == "1" and "gone" not in prompt.tags)
    check("version tags", version.tags["checked"] == "yes" and "gone" not in version.tags)
    check("found", sorted(one.name for one in client.search_prompts()) == ["farewell", "greeting"])
    found = mlflow.search_prompts(filter_string="name LIKE 'fare%'")
    check("found by name", [one.name for one in found] == ["farewell"])
    client.delete_prompt_version("farewell", "1")
    client.delete_prompt("farewell")
    check("deleted", [one.name for one in client.search_prompts()] == ["greeting"])
json.dump({"version": mlflow.__version__, "public": public, "called": sorted(called)}, sys.stdout)
