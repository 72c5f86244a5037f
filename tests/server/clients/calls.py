"""Which public functions of MLflow there are, and which of them the script called itself."""
# Written as the scripts of people are, for Python 3.8 and the MLflow of each year.
# mypy: ignore-errors

import functools
import inspect
import sys

import mlflow
import mlflow.artifacts
from mlflow.tracking import MlflowClient

PLACES = (("mlflow", mlflow), ("mlflow.artifacts", mlflow.artifacts), ("MlflowClient", MlflowClient))
called = set()


def noting(name, function):
    """The function, which notes its name when the script itself calls it."""

    @functools.wraps(function)
    def call(*arguments, **named):
        if sys._getframe(1).f_globals["__name__"] == "__main__":
            called.add(name)
        return function(*arguments, **named)

    return call


def note_calls():
    """Note the calls of all public functions from now on; returns the names of those."""
    found = []
    for place, of in PLACES:
        for name in dir(of):
            function = getattr(of, name)
            own = str(getattr(function, "__module__", "")).startswith(getattr(of, "__module__", place))
            if not name.startswith("_") and inspect.isfunction(function) and own:
                found.append("%s.%s" % (place, name))  # noqa: UP031
                setattr(of, name, noting(found[-1], function))
    return found
