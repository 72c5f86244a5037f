"""Reads ``conda.yaml``: what it asks of conda, and its translation to PyPI where each package has an equivalent."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.environments import conda_names
from bis.environments.conda_versions import CondaSpec, parse, to_pep440
from bis.environments.documents import entries, is_null, items, place, read_mapping, read_text, scalar
from bis.environments.requirement_lines import RequirementLines
from bis.environments.spec import CondaDeclaration, EnvironmentSpec
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

    ``for_conda`` makes it one for conda. Raises SpecError where the file cannot be read.
    """
    root = read_mapping(path)
    found = entries(path, root) if root else {}
    dependencies = found.get("dependencies")
    translation = _Translation(RequirementLines(directory))
    specs = _split(path, items(path, dependencies, "dependencies") if dependencies else [], translation)
    declaration = _declaration(path, found, specs, tuple(translation.lines.requirements))
    has_torch = any(conda_names.on_pypi(spec.name) == "torch" for spec, _ in specs)
    is_export = "prefix" in found or any(spec.build for spec, _ in specs)
    for spec, where in specs:
        _translate(translation, spec, where, has_torch=has_torch, is_export=is_export)
    notes = _notes(path, translation) if found else [f"{path.name} is empty: nothing is installed"]
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
        conda=dataclasses.replace(declaration, translated=tuple(notes)),
        notes=(note, *notes) if note else tuple(notes),
    )


def _declaration(
    path: Path,
    found: dict[str, Node],
    specs: list[tuple[CondaSpec, Position]],
    requirements: tuple[str, ...],
) -> CondaDeclaration:
    """What the file asks of conda, nothing of it translated."""
    channels = _channels(path, found.get("channels"))
    return CondaDeclaration(
        channels=channels,
        dependencies=tuple((spec.text, where) for spec, where in specs),
        requirements=requirements,
        own_channels=tuple(filter(conda_names.is_own_channel, channels)),
        ignored=tuple(key for key in ("name", "prefix") if key in found),
    )


def for_conda(spec: EnvironmentSpec) -> EnvironmentSpec:
    """Return the spec with conda for its manager: nothing of it translated, the pip section apart.

    A declaration that is not conda's own asks conda for its Python alone.
    """
    declared = spec.conda
    if declared is None:
        if spec.lock_file is not None:
            raise SpecError(
                f"conda cannot make an environment from {spec.lock_file.name}",
                where=Position(spec.lock_file, 1),
                hint="Leave --env-manager conda out.",
            )
        python = f"python {_python_for_conda(spec.python)}".strip()
        declared = CondaDeclaration(dependencies=((python, None),), requirements=spec.requirements)
        return dataclasses.replace(spec, manager="conda", conda=declared)
    notes = [note for note in spec.notes if note not in declared.translated]
    if declared.ignored and spec.file:
        notes.append(f"{spec.file.name}: {', '.join(declared.ignored)}: of no effect here")
    return dataclasses.replace(
        spec,
        manager="conda",
        conda=dataclasses.replace(declared, renv=_renv(spec.directory)),
        requirements=declared.requirements,
        conda_only=(),
        notes=tuple(notes),
    )


def _renv(directory: Path) -> str:
    """The text of a project's ``renv.lock``, which pins packages of R; "" without one."""
    path = directory / "renv.lock"
    return read_text(path) if path.is_file() else ""


def _python_for_conda(request: str | None) -> str:
    """``3.8`` of a python_env is any 3.8, which conda writes ``3.8.*``."""
    if request is None:
        return ""
    return f"{request}.*" if request.replace(".", "").isdigit() and request.count(".") < 2 else request


def _channels(path: Path, node: Node | None) -> tuple[str, ...]:
    """The channels as written; conda takes a single word for a list of one."""
    if node is None or is_null(node):
        return ()
    if isinstance(node.value, str):
        return (scalar(path, node, "channels"),)
    return tuple(scalar(path, each, "a channel") for each in items(path, node, "channels"))


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
    if specifier is None:  # alternatives of versions, which PyPI's grammar has not
        into.refused.append((f"{spec.name} {spec.version}", where))
        return
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
