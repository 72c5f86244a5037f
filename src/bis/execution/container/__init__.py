"""Starts a command in a container, and brings back what was seen there.

The project lies in the container as a copy that it may write to, at MLflow's place for it. The tracking server of the
run listens on a socket file that only this container has. Values of variables reach the engine by name, so no list of
processes shows them.
"""

from bis.execution.container.start import ContainerStart, check

__all__ = ["ContainerStart", "check"]
