from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.environments.providers import PROVIDERS
from bis.errors import BisError
from bis.plans import LEVELS, Plan
from bis.plans.plan import FORMAT, MAXIMUM_SEED
from bis.plans.schema import first_fault, plan_schema

if TYPE_CHECKING:
    from collections.abc import Callable


def changed(plan: Plan, change: Callable[[dict[str, Any]], object]) -> str:
    """The text of a plan in which something was changed."""
    document = json.loads(plan.to_json())
    change(document)
    return json.dumps(document)


def test_a_plan_is_read_back_as_it_was(plan: Plan) -> None:
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert (again.digest, again.to_json()) == (plan.digest, plan.to_json())


def test_its_text_is_the_same_whatever_the_order_in_which_it_was_made(plan: Plan) -> None:
    turned = dataclasses.replace(plan, parameters=dict(reversed(list(plan.parameters.items()))))
    assert turned.to_json() == plan.to_json()


def test_it_fulfils_the_published_schema(plan: Plan) -> None:
    jsonschema.Draft202012Validator.check_schema(plan_schema())
    jsonschema.Draft202012Validator(plan_schema()).validate(json.loads(plan.to_json()))


def test_the_schema_and_the_code_name_the_same_things() -> None:
    properties = plan_schema()["properties"]
    assert properties["format"]["const"] == FORMAT
    assert properties["level"]["enum"] == list(LEVELS)
    assert properties["seed"]["maximum"] == MAXIMUM_SEED
    assert set(properties["environment"]["properties"]["manager"]["enum"]) == set(PROVIDERS)


def test_a_printed_plan_is_read_with_its_digest(plan: Plan) -> None:
    text = changed(plan, lambda document: document.update(digest=plan.digest))
    assert Plan.from_json(text) == plan


def test_a_plan_that_is_not_what_its_digest_says_is_refused(plan: Plan) -> None:
    text = changed(plan, lambda document: document.update(digest=plan.digest, seed=8))
    with pytest.raises(BisError, match="not what its digest says"):
        Plan.from_json(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format="bis.plan/9"), "has the format 'bis.plan/9'"),
        (lambda d: d.update(format="something"), "format is not 'bis.plan/2'"),
        (lambda d: d.pop("template"), "template is missing"),
        (lambda d: d.update(more=1), "more is not known"),
        (lambda d: d["parameters"].update(alpha=0.5), "parameters.alpha is not of the type string"),
        (lambda d: d["source"].update(tree="HEAD"), "source.tree is not written as it has to be"),
        (lambda d: d["source"].update(subdirectory="../x"), "source.subdirectory is not written"),
        (lambda d: d["source"].update(subdirectory="/etc"), "source.subdirectory is not written"),
        (lambda d: d["inputs"]["in_tree"].update(data="a/../../x"), "inputs.in_tree.data is not written"),
        (lambda d: d.update(seed=-1), "seed is too small or too large"),
        (lambda d: d.update(seed=True), "seed is not of the type integer"),
        (lambda d: d.update(level="bold"), "level is none of 'observe', 'seed', 'strict'"),
        (lambda d: d["extra"].append(1), r"extra\[1\] is not of the type string"),
        (lambda d: d["environment"].update(manager="nix"), "environment.manager is none of"),
        (lambda d: d["environment"].pop("python"), "environment.python is missing"),
        (lambda d: d["environment"].update(variables=[["a"]]), "environment of this plan cannot be read"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(
    plan: Plan, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(BisError, match=said):
        Plan.from_json(changed(plan, change))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"bis.plan/2"', "{}", '{"format": 2}', "[" * 100_000]
)
def test_what_is_no_plan_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BisError, match="this is not a plan of bis"):
        Plan.from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_the_check_agrees_with_a_validator_of_json_schema(data: st.DataObject) -> None:
    document: Any = data.draw(st.fixed_dictionaries(_ALMOST))
    valid = jsonschema.Draft202012Validator(plan_schema()).is_valid(document)
    assert (first_fault(document) is None) == valid


_ALMOST: dict[str, st.SearchStrategy[Any]] = {
    "format": st.just(FORMAT),
    "source": st.fixed_dictionaries(
        {
            "tree": st.sampled_from([None, 40 * "a", "x", 3]),
            "subdirectory": st.sampled_from(["", "a", "a/..b", "..", "a/..", "../a", "/a", "a/../b"]),
            "repository": st.none(),
            "commit": st.none(),
            "dirty": st.sampled_from([True, 0]),
        }
    ),
    "entry_point": st.just("main"),
    "template": st.just(""),
    "parameters": st.dictionaries(st.text(max_size=3), st.sampled_from(["", "a"]) | JSON, max_size=2),
    "extra": st.lists(st.just("a")) | JSON,
    "inputs": st.just({"local": {}, "in_tree": {}, "downloads": {}}),
    "environment": st.just(
        {"format": 1, "manager": "uv", "python": "3.8", "platform": "", "requirements": ""}
    ),
    "seed": st.sampled_from([0, 2**32 - 1, 2**32, -1, True, "0"]),
    "level": st.sampled_from(["seed", "strict", "none"]),
    "variables": st.just({"set": {}, "removed": [], "secret": []}),
}


def test_its_layers_leave_out_what_does_not_decide(plan: Plan) -> None:
    source = dataclasses.replace(plan.source, repository=None, commit=None, dirty=False)
    lock = dataclasses.replace(plan.environment, notes=(), as_of=None, options=("--pre",))
    moved = dataclasses.replace(plan, source=source, environment=lock, local={"data": "/elsewhere/data.csv"})
    assert moved.digest == plan.digest


def test_an_input_outside_the_source_decides_by_its_path(plan: Plan) -> None:
    outside = dataclasses.replace(plan, in_tree={})
    moved = dataclasses.replace(outside, local={"data": "/elsewhere/data.csv"})
    assert len({plan.digest, outside.digest, moved.digest}) == 3


def test_it_holds_no_value_of_a_secret(plan: Plan) -> None:
    assert json.loads(plan.to_json())["variables"]["secret"] == ["TOKEN"]
