"""Reads ``conda.yaml`` and translates it to packages of PyPI, where each has an equivalent there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.environments import conda_names
from bis.environments.conda_versions import CondaSpec, parse, to_pep440
from bis.environments.documents import entries, is_null, items, place, read_mapping, scalar
from bis.environments.requirement_lines import RequirementLines
from bis.environments.spec import EnvironmentSpec
from bis.errors import Position, SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from yaml.nodes import Node


@dataclass
class _Translation:
    """What the conda dependencies come to, gathered one by one."""

    lines: RequirementLines
    python: str | None = None
    same: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    refused: list[tuple[str, Position]] = field(default_factory=list)
    builds: int = 0


def read(path: Path, directory: Path, *, note: str | None = None) -> EnvironmentSpec:
    """Return the spec that a conda file declares, for uv; its ``conda_only`` are what uv cannot install.

    Raises SpecError where the file cannot be read.
    """
    root = read_mapping(path)
    found = entries(path, root) if root else {}
    dependencies = found.get("dependencies")
    translation = _Translation(RequirementLines(directory))
    specs = _split(path, items(path, dependencies, "dependencies") if dependencies else [], translation)
    has_torch = any(conda_names.on_pypi(spec.name) == "torch" for spec, _ in specs)
    is_export = "prefix" in found or any(spec.build for spec, _ in specs)
    for spec, where in specs:
        _translate(translation, spec, where, has_torch=has_torch, is_export=is_export)
    notes = [note] if note else []
    notes += [f"{path.name} is empty: nothing is installed"] if not found else _notes(path, translation)
    return EnvironmentSpec(
        directory,
        manager="uv",
        kind="conda_env",
        file=path,
        python=translation.python,
        requirements=tuple(translation.lines.requirements),
        constraints=tuple(translation.lines.constraints),
        local=tuple(translation.lines.local),
        options=tuple(translation.lines.options),
        variables=_variables(path, found.get("variables")),
        conda_only=tuple(translation.refused),
        notes=tuple(notes),
    )


def _split(path: Path, nodes: list[Node], translation: _Translation) -> list[tuple[CondaSpec, Position]]:
    """Take the conda specs out of the dependencies; the pip section goes to the translation's lines."""
    specs = []
    for node in nodes:
        where = place(path, node)
        if isinstance(node.value, list):
            _add_pip(path, node, translation.lines)
            continue
        spec = parse(scalar(path, node, "a dependency"))
        if spec is None:
            raise SpecError(
                f"cannot read the conda dependency {node.value!r}",
                where=where,
                hint="Write it as name, name=1.2, name==1.2.3 or name>=1,<2.",
            )
        specs.append((spec, where))
    return specs


def _add_pip(path: Path, node: Node, lines: RequirementLines) -> None:
    from yaml.nodes import MappingNode

    if not isinstance(node, MappingNode):
        raise SpecError("a list inside the list of dependencies", where=place(path, node))
    for key, value in entries(path, node).items():
        if key != "pip":
            raise SpecError(
                f"only `pip:` can hold further packages, not {key!r}",
                where=place(path, value),
                hint="Write `name=version` without a space after the name's colon.",
            )
        for item in items(path, value, "pip"):
            lines.add(scalar(path, item, "a pip requirement"), place(path, item))


def _translate(
    into: _Translation, spec: CondaSpec, where: Position, *, has_torch: bool, is_export: bool
) -> None:
    name = conda_names.normalized(spec.name)
    if name == "python":
        into.python = _python_request(spec)
    elif name == "pypy":
        into.refused.append((spec.name, where))
    elif (
        conda_names.has_no_effect(name)
        or (has_torch and name in conda_names.INSIDE_TORCH)
        or (is_export and conda_names.is_drawn_in(name))
    ):
        into.dropped.append(spec.name)
    elif conda_names.needs_conda(name):
        into.refused.append((spec.name, where))
    else:
        _add_requirement(into, spec, where)


def _python_request(spec: CondaSpec) -> str | None:
    return spec.version.removeprefix("==").removeprefix("=") or None


def _add_requirement(into: _Translation, spec: CondaSpec, where: Position) -> None:
    exact = bool(spec.build) and spec.version.count(".") >= 1
    specifier = to_pep440(spec.version, exact=exact)
    if specifier is None:
        raise SpecError(
            f"the version {spec.version!r} of {spec.name} has no equivalent on PyPI",
            where=where,
            hint=f"Write one range instead, as {spec.name}>=1.2,<1.4.",
        )
    if conda_names.normalized(spec.name) in conda_names.MORE_COMPONENTS and specifier.startswith("=="):
        specifier = specifier.removesuffix(".*") + ".*"
    name = conda_names.on_pypi(spec.name)
    into.lines.requirements.append(f"{name}{specifier}")
    into.builds += bool(spec.build)
    if name == spec.name:
        into.same.append(name)
    else:
        into.renamed.append(f"{spec.name} is {name}")


def _notes(path: Path, translation: _Translation) -> list[str]:
    """Say in one line what was taken in another way than conda would."""
    said = []
    packages = [name for name in translation.same if name not in {"pip", "setuptools", "wheel"}]
    if packages:
        said.append(f"{', '.join(packages)} from PyPI")
    if translation.renamed:
        said.append(f"there {', '.join(translation.renamed)}")
    if translation.dropped:
        said.append(f"without {', '.join(translation.dropped)}")
    if translation.builds:
        said.append("build strings left out")
    return [f"{path.name}: {'; '.join(said)}"] if said else []


def _variables(path: Path, node: Node | None) -> tuple[tuple[str, str], ...]:
    from yaml.nodes import MappingNode

    if node is None or is_null(node):
        return ()
    if not isinstance(node, MappingNode):
        raise SpecError("variables has to hold NAME: value lines", where=place(path, node))
    return tuple((name, scalar(path, value, name)) for name, value in entries(path, node).items())
