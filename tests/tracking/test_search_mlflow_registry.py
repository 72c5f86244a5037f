"""Searches of experiments, registered models and versions, held against MLflow's answers."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from bis.tracking import Tag, View
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from pathlib import Path

    from bis.tracking.sql_store import SqlStore

EXPERIMENTS: list[tuple[str, list[str]]] = [
    *(
        (text, [])
        for text in (
            "",
            "name = 'Alpha'",
            "name != 'Alpha'",
            "name LIKE 'alpha%'",
            "name ILIKE 'ALPHA%'",
            "attribute.name LIKE '%a'",
            "tags.team = 'blue'",
            "tag.team ILIKE 'blue'",
            "tags.team != 'blue'",
            "tags.team = 'blue' AND tags.n = '1'",
            "tags.`team` LIKE 'B%'",
            "creation_time > 0",
            "creation_time = 5",
            "last_update_time >= 0 AND name = 'beta'",
        )
    ),
    *(("", [key]) for key in ("name", "name DESC", "creation_time ASC", "experiment_id DESC")),
]
MODELS: list[tuple[str, list[str]]] = [
    *(
        (text, [])
        for text in (
            "",
            "name = 'iris'",
            "name != 'iris'",
            "name LIKE 'i%'",
            "name ILIKE 'i%'",
            "tags.team = 'blue'",
            "tags.team LIKE 'b%'",
            "tags.team ILIKE 'BLUE'",
            "tags.team = 'blue' AND tags.stage = 'x'",
            "name ILIKE '%s%' AND tags.team = 'Blue'",
            "tag.`mlflow.prompt.is_prompt` != 'true'",
            "tag.`mlflow.prompt.is_prompt` = 'true'",
        )
    ),
    *(("", [key]) for key in ("name", "name DESC", "timestamp", "last_updated_timestamp DESC")),
]
VERSIONS: list[tuple[str, list[str]]] = [
    *(
        (text, [])
        for text in (
            "",
            "name = 'iris'",
            "name ILIKE 'IRIS'",
            "name LIKE 'I%'",
            "run_id = 'r1'",
            "run_id IN ('r1', 'r2')",
            "run_id IN ('r9')",
            "run_id LIKE 'r%'",
            "source_path = 's3://a/1'",
            "source_path LIKE 's3://a/%'",
            "source_path ILIKE 'S3://A%'",
            "version_number > 1",
            "version_number != 1 AND name = 'iris'",
            "tags.k = 'v'",
            "tags.k LIKE 'v%'",
            "tag.`mlflow.prompt.is_prompt` = 'true'",
        )
    ),
    *(
        ("name = 'iris'", [key])
        for key in ("version_number", "version_number DESC", "name", "creation_timestamp DESC")
    ),
]
MADE: dict[str, Any] = {
    "experiments": [
        ["Alpha", {"team": "blue", "n": "1"}],
        ["alpha two", {"team": "Blue"}],
        ["beta", {}],
    ],
    "models": [
        [
            "iris",
            {"team": "blue", "stage": "x"},
            [["s3://a/1", "r1", {"k": "v"}], ["s3://a/2", "r2", {}], ["s3://b/1", "", {"k": "w"}]],
        ],
        ["Iris", {"team": "Blue"}, [["s3://a/1", "r1", {}]]],
        ["rose", {}, []],
        [
            "hello",
            {"mlflow.prompt.is_prompt": "true"},
            [["dummy-source", "", {"mlflow.prompt.is_prompt": "true"}]],
        ],
    ],
}

ASKED_OF_MLFLOW = """
import json, sys, time
from mlflow.entities import ExperimentTag, ViewType
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
asked = json.load(sys.stdin)
store, registry = SqlAlchemyStore("sqlite:///" + sys.argv[1], sys.argv[2]), Registry("sqlite:///" + sys.argv[1])
for name, tags in asked["experiments"]:
    store.create_experiment(name, None, [ExperimentTag(*pair) for pair in tags.items()])
    time.sleep(0.002)
for name, tags, versions in asked["models"]:
    registry.create_registered_model(name, [RegisteredModelTag(*pair) for pair in tags.items()])
    time.sleep(0.002)
    for source, run_id, own in versions:
        registry.create_model_version(name, source, run_id or None, [ModelVersionTag(*pair) for pair in own.items()])
        time.sleep(0.002)
def version(one):
    return "%s/%s" % (one.name, one.version)
print(json.dumps([
    [[one.name for one in store.search_experiments(ViewType.ALL, 100, *words)] for words in asked["of"][0]],
    [[one.name for one in registry.search_registered_models(words[0], 100, words[1])] for words in asked["of"][1]],
    [list(map(version, registry.search_model_versions(words[0], 100, words[1]))) for words in asked["of"][2]],
]))
"""


@pytest.mark.slow
def test_what_mlflow_can_be_asked_of_models_and_experiments_has_the_same_answer(
    local: SqlStore, tmp_path: Path
) -> None:
    asked = {**MADE, "of": [EXPERIMENTS, MODELS, VERSIONS]}
    answered = subprocess.run(
        [client_python(LATEST), "-c", ASKED_OF_MLFLOW, tmp_path / "mlflow.db", tmp_path.as_uri()],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answered.returncode == 0, answered.stderr
    experiments, models, versions = json.loads(answered.stdout.splitlines()[-1])
    _fill(local)
    for (text, order), names in zip(EXPERIMENTS, experiments, strict=True):
        found = local.search_experiments(filter=text, order_by=order, view=View.ALL).items
        assert [one.name for one in found] == names, (text, order)
    for (text, order), names in zip(MODELS, models, strict=True):
        registered = local.search_registered_models(filter=text, order_by=order).items
        assert [one.name for one in registered] == names, (text, order)
    for (text, order), names in zip(VERSIONS, versions, strict=True):
        numbered = local.search_model_versions(filter=text, order_by=order).items
        assert [f"{one.name}/{one.version}" for one in numbered] == names, (text, order)


def _fill(store: SqlStore) -> None:
    for name, tags in MADE["experiments"]:
        store.create_experiment(name, tags=[Tag(*pair) for pair in tags.items()])
        time.sleep(0.002)  # in an order of their own
    for name, tags, versions in MADE["models"]:
        store.create_registered_model(name, tags=[Tag(*pair) for pair in tags.items()])
        time.sleep(0.002)
        for source, run_id, own in versions:
            store.create_model_version(name, source, run_id=run_id, tags=[Tag(*pair) for pair in own.items()])
            time.sleep(0.002)
