"""``bis check`` and ``bis describe``: a project, read and not run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command
from bis.errors import BisError

if TYPE_CHECKING:
    import argparse

    from bis.cli.style import Style
    from bis.environments import EnvironmentSpec
    from bis.projects import EntryPoint, Parameter, Project
    from bis.sources import Source

_CHECK = """\
Read and validate a project without running it: its environment, its entry points,
and the command that each would run. Warns of what is odd.
Exit status: 0 when it can be run, 2 when it cannot; warnings do not count."""

_DESCRIBE = """\
Show what can be run: entry points, and their parameters with type, default and description."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``check`` and ``describe``."""
    for name, run, summary, description in (
        ("check", check, "validate a project without running it", _CHECK),
        ("describe", describe, "show what can be run", _DESCRIBE),
    ):
        parser = command(
            commands, name, run, help=summary, description=description, example=f"  bis {name} examples/iris"
        )
        parser.add_argument(
            "uri", metavar="URI", nargs="?", default=".", help="folder, Git URI or archive (default: .)"
        )
        parser.add_argument("-v", "--version", metavar="VERSION", help="branch, tag or commit, for a Git URI")
        if name == "check":
            parser.add_argument("--env-manager", metavar="NAME", help="uv, virtualenv, conda or local")
        parser.add_argument("--json", action="store_true", help="print JSON")


def check(args: argparse.Namespace) -> int:
    """Validate; 0 when every entry point can be run, else 2."""
    from bis.cli.style import Style, fields, print_json
    from bis.plans import detect_environment

    source, project = _load(args)
    with source:
        spec = detect_environment(project, args.env_manager)
        warnings = [str(warning) for warning in project.warnings]
        checked = [_try_command(project, entry) for entry in project.entry_points.values()]
        if args.json:
            print_json(_check_document(source, project, spec, checked, warnings))
        else:
            style = Style(sys.stdout)
            pairs = [("project", project.name or project.directory.name), ("source", source.uri)]
            pairs.append(("environment", _environment_words(spec)))
            pairs += [
                (entry.name, command or style.bad(problem or "")) for entry, command, problem in checked
            ]
            print(fields(pairs, style))
            for note in spec.notes:
                print(f"{style.faint('note:')} {note}")
            for warning in warnings:
                print(f"{style.warn('warning:')} {warning}")
            print(_verdict(checked, warnings))
    return 2 if any(problem for _, _, problem in checked) else 0


def describe(args: argparse.Namespace) -> int:
    """Show the entry points."""
    from bis.cli.style import Style, print_json

    source, project = _load(args)
    with source:
        if args.json:
            print_json(_describe_document(source, project))
        else:
            print(_description(project, Style(sys.stdout)))
    return 0


def _load(args: argparse.Namespace) -> tuple[Source, Project]:
    from bis import projects, sources
    from bis.cli.style import notifier
    from bis.home import Home

    home = Home.locate()
    home.ensure()
    source = sources.fetch(args.uri, args.version, home=home, notify=notifier())
    try:
        return source, projects.load(source.directory, root=source.root)
    except BaseException:
        source.close()
        raise


def _try_command(project: Project, entry: EntryPoint) -> tuple[EntryPoint, str | None, str | None]:
    """The command with each parameter at its default, ``<name>`` where there is none; or what is wrong."""
    from bis.projects.steps import needed

    try:
        needed(project, entry.name)
        return entry, entry.preview().strip(), None
    except BisError as error:
        return entry, None, str(error)


def _environment_words(spec: EnvironmentSpec) -> str:
    from bis.cli.style import counted

    if spec.container is not None:
        return f"{spec.manager}, image {spec.container.image}"
    origin = "nothing declared: an empty environment" if spec.file is None else f"from {spec.file.name}"
    python = f", Python {spec.python}" if spec.python else ""
    count = len(spec.requirements)
    packages = f", {counted(count, 'requirement')}" if count else ""
    return f"{spec.manager}, {origin}{python}{packages}"


def _verdict(checked: list[tuple[EntryPoint, str | None, str | None]], warnings: list[str]) -> str:
    from bis.cli.style import counted

    broken = sum(1 for _, _, problem in checked if problem)
    if broken:
        return f"{broken} of {len(checked)} entry points cannot be run"
    return f"{counted(len(checked), 'entry point')}, {counted(len(warnings), 'warning')}"


def _check_document(
    source: Source,
    project: Project,
    spec: EnvironmentSpec,
    checked: list[tuple[EntryPoint, str | None, str | None]],
    warnings: list[str],
) -> dict[str, Any]:
    return {
        "name": project.name,
        "source": {"uri": source.uri, "commit": source.commit, "dirty": source.dirty, "tree": source.tree},
        "environment": {
            "manager": spec.manager,
            "kind": spec.kind,
            "file": None if spec.file is None else str(spec.file),
            "python": spec.python,
            "requirements": list(spec.requirements),
            "notes": list(spec.notes),
        },
        "entry_points": {
            entry.name: {"command": command, "problem": problem} for entry, command, problem in checked
        },
        "warnings": warnings,
    }


def _describe_document(source: Source, project: Project) -> dict[str, Any]:
    return {
        "name": project.name,
        "source": {"uri": source.uri, "commit": source.commit},
        "entry_points": {
            entry.name: {
                "description": entry.description,
                "command": entry.command,
                "after": list(entry.after),
                "reuse": entry.reuse,
                "parameters": {
                    parameter.name: _parameter_document(parameter) for parameter in entry.parameters
                },
            }
            for entry in project.entry_points.values()
        },
    }


def _parameter_document(parameter: Parameter) -> dict[str, Any]:
    return {
        "type": parameter.type,
        "default": parameter.default,
        "required": parameter.default is None,
        "description": parameter.description,
        "choices": parameter.choices,
        "min": parameter.minimum,
        "max": parameter.maximum,
    }


def _description(project: Project, style: Style) -> str:
    lines = [style.strong(project.name or project.directory.name)]
    for entry in project.entry_points.values():
        lines += ["", style.strong(entry.name) + (f"  {entry.description}" if entry.description else "")]
        if entry.after:
            lines.append(f"  after {', '.join(entry.after)}")
        lines += [f"  {style.faint(line)}" for line in (entry.command or "").strip().splitlines()]
        rows = [_parameter_row(parameter) for parameter in entry.parameters]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        lines += [
            "  "
            + "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()
            for row in rows
        ]
    if not project.entry_points:
        lines.append("  no entry points; scripts can be run by name: bis run . -e train.py")
    return "\n".join(lines)


def _parameter_row(parameter: Parameter) -> tuple[str, str, str, str]:
    bounds = []
    if parameter.choices:
        bounds.append("one of " + ", ".join(parameter.choices))
    if parameter.minimum is not None:
        bounds.append(f"at least {parameter.minimum:g}")
    if parameter.maximum is not None:
        bounds.append(f"at most {parameter.maximum:g}")
    said = "; ".join([*([parameter.description] if parameter.description else []), *bounds])
    default = "required" if parameter.default is None else f"default {parameter.default or repr('')}"
    return parameter.name, parameter.type, default, said
