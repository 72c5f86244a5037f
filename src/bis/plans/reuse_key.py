"""The key under which a run can be found again to be taken instead of executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bis.plans import layers
from bis.plans.canonical import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.plans.plan import Plan

FORMAT = "bis.reuse/1"


def reuse_key(plan: Plan, steps: Mapping[str, str]) -> str:
    """SHA-256 (64 hex digits) over all layers of the plan but its tree, of which a run reads only some files.

    ``steps`` has the artifact directories of the pipeline's earlier steps, by name: what counts is what is in them,
    which is compared file by file, and not the run that they belong to.
    """
    parts = dict(layers.parts(plan), source={"subdirectory": plan.source.subdirectory})
    words = {path: f"{{steps.{name}.artifact_uri}}" for name, path in steps.items()}
    return digest_of({"format": FORMAT, "layers": _replaced(parts, words)})


def _replaced(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for path, word in words.items():
            value = value.replace(path, word)
        return value
    if isinstance(value, dict):
        return {name: _replaced(each, words) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, words) for each in value]
    return value
