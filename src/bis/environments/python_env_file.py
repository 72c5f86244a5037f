"""Reads ``python_env.yaml``, MLflow's own form: ``python``, ``build_dependencies``, ``dependencies``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.environments.documents import entries, is_null, items, place, read_mapping, scalar
from bis.environments.requirement_lines import RequirementLines
from bis.environments.spec import EnvironmentSpec
from bis.errors import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from yaml.nodes import Node

_KEYS_OF_CONDA = {"channels", "name", "prefix"}
KEYS = ("python", "build_dependencies", "dependencies")


def read(path: Path, directory: Path) -> EnvironmentSpec:
    """Return the spec that a ``python_env.yaml`` declares; raise SpecError with file and line."""
    root = read_mapping(path)
    found = entries(path, root) if root else {}
    if _is_conda(found):
        from bis.environments import conda_file  # rare: a python_env that names a conda file

        note = f"{path.name} is a conda file, and is read as one"
        return conda_file.read(path, directory, note=note)
    lines = RequirementLines(directory)
    for key in KEYS[1:]:
        if key in found:
            _add_items(lines, path, key, found[key])
    return EnvironmentSpec(
        directory,
        manager="uv",
        kind="python_env",
        file=path,
        python=_python(path, found.get("python")),
        requirements=tuple(lines.requirements),
        constraints=tuple(lines.constraints),
        local=tuple(lines.local),
        options=tuple(lines.options),
        notes=_notes(path, found),
    )


def _is_conda(found: dict[str, Node]) -> bool:
    """True when the entries of a YAML file are those of a conda environment."""
    if _KEYS_OF_CONDA & found.keys():
        return True
    dependencies = found.get("dependencies")
    if dependencies is None or not dependencies.tag.endswith(":seq"):
        return False
    return any(item.tag.endswith(":map") for item in dependencies.value)  # conda's {pip: [...]}


def _add_items(lines: RequirementLines, path: Path, key: str, node: Node) -> None:
    for item in items(path, node, key):
        lines.add(scalar(path, item, f"an item of {key}"), place(path, item))


def _python(path: Path, node: Node | None) -> str | None:
    return None if node is None or is_null(node) else scalar(path, node, "python")


def _notes(path: Path, found: dict[str, Node]) -> tuple[str, ...]:
    if not found:
        return (f"{path.name} is empty: nothing is installed",)
    unknown = [(key, place(path, node)) for key, node in found.items() if key not in KEYS]
    hints = [did_you_mean(key, KEYS) or "" for key, _ in unknown]
    said = [f"{where}: unknown key {key!r} has no effect" for key, where in unknown]
    return tuple(f"{each}. {hint}" if hint else each for each, hint in zip(said, hints, strict=True))
