"""Keeps MLflow's calls on the run that bis has begun.

A few modules of MLflow are amended when, and only when, the script imports them; they lie at the same place in every
version from 1.20 to 3.x. Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os
import sys

from bis_hooks import after

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any


def install() -> None:
    """Amend MLflow as it is imported, in a process that belongs to a run of bis."""
    if os.environ.get("BIS_TRACKING_URI") and os.environ.get("BIS_RUN_ID"):
        after("mlflow.tracking._tracking_service.utils", _amend_tracking)
        after("mlflow.tracking.fluent", _amend_fluent)
        after("mlflow.tracking._tracking_service.client", _amend_client)


def _amend_tracking(module: Any) -> None:
    ours = os.environ["BIS_TRACKING_URI"]
    if os.environ.get("MLFLOW_TRACKING_URI") not in (None, "", ours):
        _say("MLFLOW_TRACKING_URI was set by the script; the run stays in " + _shown(ours))
        os.environ["MLFLOW_TRACKING_URI"] = ours
    original = module.set_tracking_uri

    def set_tracking_uri(uri: Any, *args: Any, **kwargs: Any) -> Any:
        if str(uri).rstrip("/") == ours.rstrip("/"):
            return original(uri, *args, **kwargs)
        _say(
            "set_tracking_uri({!r}) has no effect here; the run stays in {}".format(
                _hidden(uri), _shown(ours)
            )
        )
        return None

    module.set_tracking_uri = _like(original, set_tracking_uri)


def _amend_fluent(module: Any) -> None:
    original = module.set_experiment

    def set_experiment(*args: Any, **kwargs: Any) -> Any:
        experiment = original(*args, **kwargs)
        run_id = os.environ["BIS_RUN_ID"]
        if os.environ.get("MLFLOW_RUN_ID") == run_id:  # the script has not begun its run yet
            wanted = getattr(experiment, "experiment_id", None) or module._active_experiment_id
            name = args[0] if args else kwargs.get("experiment_name")
            _follow(module, run_id, str(wanted), getattr(experiment, "name", None) or str(name))
        return experiment

    module.set_experiment = _like(original, set_experiment)


def _amend_client(module: Any) -> None:
    """Do not show the address of a server that is gone when the run has ended (2.14 and later show it)."""
    client: Any = getattr(module, "TrackingServiceClient", None)
    if hasattr(client, "_log_url") and _is_loopback(os.environ["BIS_TRACKING_URI"]):
        client._log_url = lambda *_: None


def _follow(module: Any, run_id: str, experiment_id: str, name: str) -> None:
    """Move the run to the experiment that the script asks for, where MLflow would refuse to go on."""
    answer = _move(run_id, experiment_id)
    if answer:
        os.environ["MLFLOW_EXPERIMENT_ID"] = experiment_id
        if answer == "moved":
            _say("set_experiment({!r}): the run was moved to that experiment".format(name))
        return
    _say("set_experiment({!r}) has no effect here: this tracking server cannot move a run".format(name))
    run = module.MlflowClient().get_run(run_id)
    module._active_experiment_id = run.info.experiment_id
    os.environ["MLFLOW_EXPERIMENT_ID"] = run.info.experiment_id


def _move(run_id: str, experiment_id: str) -> str | None:
    """``moved``, ``there`` when it was in that experiment already, or None when the server cannot."""
    import json
    import urllib.error
    import urllib.request

    request = urllib.request.Request(
        os.environ["BIS_TRACKING_URI"].rstrip("/") + "/api/2.0/bis/runs/move",
        data=json.dumps({"run_id": run_id, "experiment_id": experiment_id}).encode(),
        headers={"Content-Type": "application/json", **_authorization()},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return "moved" if json.load(reply).get("moved", True) else "there"
    except (urllib.error.URLError, ValueError, OSError):
        return None


def _authorization() -> dict[str, str]:
    import base64

    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        pair = "{}:{}".format(user, password).encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    return {"Authorization": "Bearer " + token} if token else {}


def _like(original: Any, replacement: Any) -> Any:
    from functools import wraps

    return wraps(original)(replacement)


def _hidden(uri: Any) -> str:
    """The URI without credentials: it is going to be printed."""
    scheme, separator, rest = str(uri).partition("://")
    if not separator:
        return str(uri)
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path


def _shown(uri: str) -> str:
    return "bis" if _is_loopback(uri) else _hidden(uri)


def _is_loopback(uri: str) -> bool:
    return uri.startswith("http://127.0.0.1:")


def _say(message: str) -> None:
    try:
        sys.stderr.write("bis: " + message + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # a script without standard error
        pass
