"""The experiment that new runs go to."""

from __future__ import annotations

import os

from bis.client import active, destination
from bis.client.connection import say
from bis.client.entities import Experiment
from bis.client.errors import RefusedError, TrackingError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from bis.client.connection import Server

_chosen: tuple[Server, str] | None = None


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None) -> Experiment:
    """Use the experiment for the runs begun from now on; one named but absent is made.

    A run of bis that the script has not begun itself moves there. Raises TrackingError for a deleted experiment,
    or an id that is not there.
    """
    global _chosen
    if (experiment_name is None) == (experiment_id is None):
        raise TypeError("set_experiment() needs the experiment's name or its id, one of them")
    server = destination.server()
    if experiment_id is not None:
        found = _by_id(server, str(experiment_id))
    else:
        found = experiment_named(server, str(experiment_name)) or _made(server, str(experiment_name))
    if found.lifecycle_stage != "active":
        raise TrackingError(
            "the experiment {!r} is deleted: restore it, or use another name".format(found.name)
        )
    run_id = destination.run_of_bis()
    if (
        run_id
        and not active.is_run_of_bis_begun()
        and not follow(server, run_id, found.experiment_id, found.name)
    ):
        return found
    _chosen = (server, found.experiment_id)
    os.environ["MLFLOW_EXPERIMENT_ID"] = found.experiment_id  # for the processes that the script starts
    os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)
    return found


def current_experiment(server: Server) -> str:
    """The id of the experiment that was set, else of the one that the variables name, else the default one."""
    if _chosen is not None and _chosen[0] is server:
        return _chosen[1]
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if name:
        return (experiment_named(server, name) or _made(server, name)).experiment_id
    return os.environ.get("MLFLOW_EXPERIMENT_ID") or "0"


def experiment_named(server: Server, name: str) -> Experiment | None:
    """The experiment, or None."""
    try:
        answer = server.get("mlflow/experiments/get-by-name", experiment_name=name)
    except RefusedError as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return Experiment(answer["experiment"])


def follow(server: Server, run_id: str, experiment_id: str, name: str) -> bool:
    """Move the run of bis to the experiment that the script asks for; only bis's own server can."""
    try:
        answer = server.post("bis/runs/move", {"run_id": run_id, "experiment_id": experiment_id})
    except RefusedError as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        say("set_experiment({!r}) has no effect here: this tracking server cannot move a run".format(name))
        return False
    if answer.get("moved", True):
        say("set_experiment({!r}): the run was moved to that experiment".format(name))
    return True


def _by_id(server: Server, experiment_id: str) -> Experiment:
    return Experiment(server.get("mlflow/experiments/get", experiment_id=experiment_id)["experiment"])


def _made(server: Server, name: str) -> Experiment:
    try:
        made = server.post("mlflow/experiments/create", {"name": name})
    except RefusedError as error:
        found = experiment_named(server, name)  # another process was quicker
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return found
    return _by_id(server, str(made["experiment_id"]))
