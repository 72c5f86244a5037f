"""The layers of a plan: what decides a result, apart from each other, so that one can be put back at a time."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from bis.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bis.environments import Lock
    from bis.plans.plan import Plan

LAYERS = ("source", "command", "parameters", "inputs", "environment", "interpreter", "variables", "seed")
"""In the order in which a difference is looked for: the most telling first."""

_FIELDS = {
    "source": ("source",),
    "command": ("entry_point", "template", "extra"),
    "parameters": ("parameters",),
    "inputs": ("local", "in_tree", "downloads"),
    "variables": ("variables", "removed_variables", "secrets"),
    "seed": ("seed", "level"),
}
"""The fields of a Plan that make up each layer; the lock is two layers."""


def parts(plan: Plan) -> dict[str, Any]:
    """What each layer is made of, as JSON types."""
    lock = plan.environment
    return {
        "source": {"tree": plan.source.tree, "subdirectory": plan.source.subdirectory},
        "command": {"entry_point": plan.entry_point, "template": plan.template, "extra": list(plan.extra)},
        "parameters": dict(plan.parameters),
        "inputs": {
            "local": {name: path for name, path in plan.local.items() if name not in plan.in_tree},
            "in_tree": dict(plan.in_tree),
            "downloads": dict(plan.downloads),
        },
        "environment": {
            "manager": lock.manager,
            "platform": lock.platform,
            "requirements": lock.requirements,
            "unhashed": lock.unhashed,
            "local": [asdict(each) for each in lock.local],
            "options": lock.deciding_options,
            "variables": [list(each) for each in lock.variables],
            **({"conda": lock.deciding_conda} if lock.conda else {}),
            **({"renv": lock.renv} if lock.renv else {}),
            **({"container": lock.container.decides} if lock.container else {}),
        },
        "interpreter": lock.python,
        "variables": {
            "set": dict(plan.variables),
            "removed": sorted(plan.removed_variables),
            "secret": sorted(plan.secrets),
        },
        "seed": {"seed": plan.seed, "level": plan.level},
    }


def differing(first: Plan, second: Plan) -> tuple[str, ...]:
    """The layers in which two plans differ, the most telling first."""
    return tuple(name for name in LAYERS if first.layers[name] != second.layers[name])


def with_layers(plan: Plan, other: Plan, names: Iterable[str]) -> Plan:
    """``plan`` with the named layers of ``other``; raises ValueError for a layer that there is not."""
    changed: dict[str, Any] = {}
    lock = plan.environment
    for name in names:
        if name == "environment":
            lock = _with_python(other.environment, lock.python)
        elif name == "interpreter":
            lock = _with_python(lock, other.environment.python)
        elif name in _FIELDS:
            changed.update({field: getattr(other, field) for field in _FIELDS[name]})
        else:
            raise ValueError(f"there is no layer {name!r}. {did_you_mean(name, LAYERS) or ''}".rstrip())
    return replace(plan, environment=lock, **changed)


def _with_python(lock: Lock, python: str) -> Lock:
    """The lock with that interpreter; conda's Python is one of its packages, and stays what they are."""
    return lock if lock.conda else replace(lock, python=python)
