from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from bis.plans.layers import LAYERS, differing, parts, with_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.plans import Plan

CHANGES: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "source": lambda plan: {"source": dataclasses.replace(plan.source, tree=40 * "9")},
    "command": lambda plan: {"template": "python other.py"},
    "parameters": lambda plan: {"parameters": {**plan.parameters, "alpha": "0.7"}},
    "inputs": lambda plan: {"downloads": {}},
    "environment": lambda plan: {"environment": dataclasses.replace(plan.environment, requirements="")},
    "interpreter": lambda plan: {"environment": dataclasses.replace(plan.environment, python="3.12.1")},
    "variables": lambda plan: {"variables": {}},
    "seed": lambda plan: {"level": "observe"},
}


def test_every_layer_has_a_digest(plan: Plan) -> None:
    assert tuple(parts(plan)) == tuple(plan.layers) == LAYERS == tuple(CHANGES)


@pytest.mark.parametrize("name", LAYERS)
def test_a_change_is_in_its_layer_and_can_be_put_back(plan: Plan, name: str) -> None:
    other = dataclasses.replace(plan, **CHANGES[name](plan))
    assert differing(plan, other) == (name,)
    assert with_layers(other, plan, [name]).digest == plan.digest != other.digest
    assert with_layers(plan, other, [name]).digest == other.digest


def test_layers_are_put_back_together(plan: Plan) -> None:
    changes = {key: value for change in CHANGES.values() for key, value in change(plan).items()}
    other = dataclasses.replace(plan, **changes)
    assert with_layers(plan, other, LAYERS).digest == other.digest


def test_an_unknown_layer_is_named(plan: Plan) -> None:
    with pytest.raises(ValueError, match=r"no layer 'sources'. Did you mean 'source'\?"):
        with_layers(plan, plan, ["sources"])
