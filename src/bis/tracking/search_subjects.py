"""What can be searched, by what: the attributes of each subject, and the tables of its keys and values."""

# ruff: noqa: S608  keys are parameters of the queries
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bis.tracking.search_sql import TRUE, Sql, every, joined, sql

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPT_TAG = "mlflow.prompt.is_prompt"


@dataclass(frozen=True)
class Attribute:
    """The SQL of an attribute as a text and as a number, as far as it is one."""

    text: str = ""
    number: str = ""
    nullable: bool = False


@dataclass(frozen=True)
class Pairs:
    """A table of keys and values that belongs to a subject.

    ``owner`` is the condition that a row ``{0}`` belongs to the subject, and ``within`` one that it has to fulfil
    beside. Numbers may be NaN (``is_nan``). A key has one row, or with ``newest_first`` several: the newest counts,
    of each of what the columns ``apart`` keep apart.
    """

    table: str
    owner: str
    numbers: bool = False
    interned: bool = False
    newest_first: str = ""
    apart: str = ""
    within: Sql = TRUE

    def key(self, alias: str, key: str) -> Sql:
        """The condition that a row has the key."""
        if self.interned:
            return Sql(f"{alias}.key_id = (SELECT key_id FROM metric_keys WHERE key = ?)", (key,))
        return every([Sql(f"{alias}.key = ?", (key,)), self.limit(alias)])

    def limit(self, alias: str) -> Sql:
        """The condition ``within`` on a row."""
        return Sql(self.within.text.format(alias), self.within.parameters)


@dataclass(frozen=True)
class Ordered:
    """A column that settles the order in the end."""

    expression: str
    descending: bool = False


@dataclass(frozen=True)
class Subject:
    """Something that can be searched. ``table`` is what FROM names; ``last_order`` ends in a unique column.

    ``same_as`` has attributes that are kept as a tag. ``walked``: searches are led along its indexes.
    ``missing_differs``: what lacks a tag fulfils ``!=``, and ``unsaid`` are the values of tags that are missing.
    """

    table: str
    attributes: dict[str, Attribute]
    pairs: dict[str, Pairs]
    last_order: tuple[Ordered, ...]
    same_as: dict[str, str] = field(default_factory=dict)
    has_datasets: bool = False
    walked: bool = False
    missing_differs: bool = False
    unsaid: dict[str, str] = field(default_factory=dict)


def _named(attribute: Attribute, *names: str) -> dict[str, Attribute]:
    return dict.fromkeys(names, attribute)


RUNS = Subject(
    table="runs r",
    attributes={
        **_named(Attribute("r.run_id"), "run_id", "run_uuid"),
        **_named(Attribute("r.name"), "run_name", "run name", "Run name", "Run Name"),
        "status": Attribute("r.status"),
        "user_id": Attribute("r.user_id"),
        "artifact_uri": Attribute("r.artifact_uri"),
        **_named(Attribute(number="r.start_time"), "start_time", "created", "Created"),
        "end_time": Attribute(number="r.end_time", nullable=True),
        "lifecycle_stage": Attribute("r.lifecycle_stage"),
        "experiment_id": Attribute("CAST(r.experiment_id AS TEXT)", "r.experiment_id"),
        "experiment_name": Attribute(
            "(SELECT e.name FROM experiments e WHERE e.experiment_id = r.experiment_id)"
        ),
    },
    pairs={
        "metric": Pairs("latest", "{0}.run_no = r.run_no", numbers=True, interned=True),
        "param": Pairs("params", "{0}.run_no = r.run_no"),
        "tag": Pairs("tags", "{0}.run_no = r.run_no"),
    },
    last_order=(Ordered("r.start_time", descending=True), Ordered("r.run_id")),
    same_as={"source_name": "mlflow.source.name", "source_type": "mlflow.source.type"},
    has_datasets=True,
    walked=True,
)

EXPERIMENTS = Subject(
    table="experiments e",
    attributes={
        "name": Attribute("e.name"),
        "experiment_id": Attribute("CAST(e.experiment_id AS TEXT)", "e.experiment_id"),
        "artifact_location": Attribute("e.artifact_location"),
        "lifecycle_stage": Attribute("e.lifecycle_stage"),
        "creation_time": Attribute(number="e.creation_time"),
        "last_update_time": Attribute(number="e.last_update_time"),
    },
    pairs={"tag": Pairs("experiment_tags", "{0}.experiment_id = e.experiment_id")},
    last_order=(
        Ordered("e.creation_time", descending=True),
        Ordered("e.experiment_id", descending=True),
    ),
)

LOGGED_MODELS = Subject(
    table="logged_models m",
    attributes={
        **{
            name: Attribute(f"m.{name}")
            for name in ("name", "model_id", "model_type", "status", "source_run_id", "artifact_uri")
        },
        "experiment_id": Attribute("CAST(m.experiment_id AS TEXT)", "m.experiment_id"),
        **_named(
            Attribute(number="m.creation_timestamp_ms"),
            *("creation_timestamp", "creation_time", "creation_timestamp_ms"),
        ),
        **_named(
            Attribute(number="m.last_updated_timestamp_ms"),
            *("last_updated_timestamp", "last_updated_time", "last_updated_timestamp_ms"),
        ),
    },
    pairs={
        "metric": Pairs(
            "logged_model_metrics",
            "{0}.model_id = m.model_id",
            numbers=True,
            newest_first="{0}.step DESC, {0}.timestamp DESC, {0}.value DESC",
            apart="{0}.dataset_name, {0}.dataset_digest",
        ),
        "param": Pairs("logged_model_params", "{0}.model_id = m.model_id"),
        "tag": Pairs("logged_model_tags", "{0}.model_id = m.model_id"),
    },
    last_order=(Ordered("m.creation_timestamp_ms", descending=True), Ordered("m.model_id")),
)

REGISTERED_MODELS = Subject(
    table="registered_models m",
    attributes={
        "name": Attribute("m.name"),
        **_named(Attribute(number="m.creation_time"), "creation_timestamp", "creation_time"),
        **_named(
            Attribute(number="m.last_updated_time"),
            *("last_updated_timestamp", "last_updated_time", "timestamp"),
        ),
    },
    pairs={"tag": Pairs("registered_model_tags", "{0}.name = m.name")},
    last_order=(Ordered("m.name"),),
    missing_differs=True,  # clients since 2.21 ask for models without a tag by `!=`
    unsaid={PROMPT_TAG: "false"},
)

MODEL_VERSIONS = Subject(
    table="model_versions m",
    attributes={
        "name": Attribute("m.name"),
        "run_id": Attribute("m.run_id"),
        **_named(Attribute("m.source"), "source_path", "source"),
        **_named(Attribute("m.stage"), "stage", "current_stage"),
        **_named(Attribute(number="m.version"), "version_number", "version"),
        **_named(Attribute(number="m.creation_time"), "creation_timestamp", "creation_time"),
        **_named(Attribute(number="m.last_updated_time"), "last_updated_timestamp", "last_updated_time"),
    },
    pairs={"tag": Pairs("model_version_tags", "{0}.name = m.name AND {0}.version = m.version")},
    last_order=(
        Ordered("m.last_updated_time", descending=True),
        Ordered("m.name"),
        Ordered("m.version", descending=True),
    ),
    missing_differs=True,
    unsaid={PROMPT_TAG: "false"},
)


def measured_on(subject: Subject, datasets: Sequence[tuple[str, str]]) -> Subject:
    """The subject with those points of its metrics alone that were measured on one of the datasets.

    A dataset is a name and a digest; either may be empty, and then any will do.
    """
    if not datasets:
        return subject
    within = sql("({})", joined(" OR ", [_on(*dataset) for dataset in datasets]))
    return replace(
        subject, pairs={**subject.pairs, "metric": replace(subject.pairs["metric"], within=within)}
    )


def _on(name: str, digest: str) -> Sql:
    words = {"dataset_name": name, "dataset_digest": digest}
    return every(Sql(f"{{0}}.{column} = ?", (word,)) for column, word in words.items() if word)
