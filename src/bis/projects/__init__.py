"""projects: WHAT to run. An MLproject file becomes a Project; values for its parameters become a command.

``load`` reads a directory, ``Project.entry_point(name).bind(values)`` checks the values, ``build_command``
makes the line for bash, ``download`` fetches remote ``path`` parameters. The format is MLflow's; every
mistake is an error of ``bis.errors`` that names file and line.
"""

from __future__ import annotations

from bis.projects.command import MAX_COMMAND_BYTES, build_command
from bis.projects.download import download, download_all
from bis.projects.entry_points import Binding, EntryPoint
from bis.projects.environment import DockerEnvironment, EnvironmentDeclaration
from bis.projects.parameters import Parameter
from bis.projects.project import Project, ProjectWarning, load

__all__ = [
    "MAX_COMMAND_BYTES",
    "Binding",
    "DockerEnvironment",
    "EntryPoint",
    "EnvironmentDeclaration",
    "Parameter",
    "Project",
    "ProjectWarning",
    "build_command",
    "download",
    "download_all",
    "load",
]
