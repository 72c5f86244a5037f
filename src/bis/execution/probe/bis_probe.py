"""What bis does inside the user's interpreter: keep MLflow's calls on the run that bis has begun.

Standard library only, Python 3.7 to 3.14, no import of the rest of bis, nothing heavy before it is needed. Two
modules of MLflow are amended when, and only when, the script imports them; both lie at the same place in every
version from 1.20 to 3.x.
"""

import os
import sys

_TRACKING = "mlflow.tracking._tracking_service.utils"
_FLUENT = "mlflow.tracking.fluent"


def install():
    """Amend MLflow as it is imported, in a process that belongs to a run of bis."""
    if os.environ.get("BIS_TRACKING_URI") and os.environ.get("BIS_RUN_ID"):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds nothing itself: it wraps the loader of two modules, so that they are amended once they are loaded."""

    def __init__(self):
        self._amendments = {_TRACKING: _amend_tracking, _FLUENT: _amend_fluent}

    def find_spec(self, name, path=None, target=None):
        amend = self._amendments.pop(name, None)
        if amend is None:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, amend)
        return spec


class _Loader:
    def __init__(self, loader, amend):
        self._loader = loader
        self._amend = amend

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader  # as if nothing had been between
        self._loader.exec_module(module)
        self._amend(module)

    def __getattr__(self, name):  # get_source and the like, for tools that ask while the module loads
        return getattr(self._loader, name)


def _amend_tracking(module):
    ours = os.environ["BIS_TRACKING_URI"]
    if os.environ.get("MLFLOW_TRACKING_URI") not in (None, "", ours):
        _say("MLFLOW_TRACKING_URI was set by the script; the run stays in " + _shown(ours))
        os.environ["MLFLOW_TRACKING_URI"] = ours
    original = module.set_tracking_uri

    def set_tracking_uri(uri, *args, **kwargs):
        if str(uri).rstrip("/") == ours.rstrip("/"):
            return original(uri, *args, **kwargs)
        _say(
            "set_tracking_uri({!r}) has no effect here; the run stays in {}".format(
                _hidden(uri), _shown(ours)
            )
        )
        return None

    module.set_tracking_uri = _like(original, set_tracking_uri)


def _amend_fluent(module):
    original = module.set_experiment

    def set_experiment(*args, **kwargs):
        experiment = original(*args, **kwargs)
        run_id = os.environ["BIS_RUN_ID"]
        if os.environ.get("MLFLOW_RUN_ID") == run_id:  # the script has not begun its run yet
            wanted = getattr(experiment, "experiment_id", None) or module._active_experiment_id
            _follow(module, run_id, str(wanted), getattr(experiment, "name", None) or str(args[:1] or kwargs))
        return experiment

    module.set_experiment = _like(original, set_experiment)


def _follow(module, run_id, experiment_id, name):
    """Move the run to the experiment that the script asks for, where MLflow would refuse to go on."""
    current = os.environ.get("MLFLOW_EXPERIMENT_ID")
    answer = _move(run_id, experiment_id)
    if answer:
        os.environ["MLFLOW_EXPERIMENT_ID"] = experiment_id
        if answer == "moved":
            _say("set_experiment({!r}): the run was moved to that experiment".format(name))
        return
    _say("set_experiment({!r}) has no effect here: this tracking server cannot move a run".format(name))
    run = module.MlflowClient().get_run(run_id)
    module._active_experiment_id = run.info.experiment_id
    os.environ["MLFLOW_EXPERIMENT_ID"] = run.info.experiment_id or current


def _move(run_id, experiment_id):
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


def _authorization():
    import base64

    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        pair = "{}:{}".format(user, password).encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    return {"Authorization": "Bearer " + token} if token else {}


def _like(original, replacement):
    from functools import wraps

    return wraps(original)(replacement)


def _hidden(uri):
    """The URI without credentials: it is going to be printed."""
    scheme, separator, rest = str(uri).partition("://")
    if not separator:
        return str(uri)
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path


def _shown(uri):
    return "bis" if uri.startswith("http://127.0.0.1:") else _hidden(uri)


def _say(message):
    try:
        sys.stderr.write("bis: " + message + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # a script without standard error
        pass
