"""The environment variables a command starts with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import UsageError
from bis.plans import decides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.environments import Environment
    from bis.plans import Plan

PROBE = Path(__file__).parent / "probe"
"""The directory that is put first on the import path of the user's interpreter."""
CLIENT = Path(__file__).parents[1] / "client"
"""What a script imports as ``bis``; where the probe lies elsewhere, it lies beside it."""

CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""The variables from which MLflow's clients take them."""


def command_variables(
    caller: Mapping[str, str],
    plan: Plan,
    environment: Environment,
    *,
    named: Mapping[str, str],
    tracking: Mapping[str, str],
    report: Path,
) -> dict[str, str]:
    """The caller's variables, the environment's, those of ``--env-file``, the plan's, and those of the run.

    What decides the result comes from the plan alone: the caller's own are in it where they count.
    """
    variables = {
        name: value
        for name, value in caller.items()
        if name not in plan.removed_variables and not decides(name)
    }
    variables = {**environment.variables(variables), **named, **plan.variables, **tracking}
    variables.update(_probe_variables(plan, report))
    inherited = variables.get("PYTHONPATH")
    variables["PYTHONPATH"] = f"{PROBE}:{inherited}" if inherited else str(PROBE)
    return variables


def _probe_variables(plan: Plan, report: Path) -> dict[str, str]:
    """What the probe is told; a child process of Python's extends its lineage."""
    return {
        "BIS_SEED": str(plan.seed),
        "BIS_LEVEL": plan.level,
        "BIS_LINEAGE": "0",
        "BIS_REPORT": str(report),
    }


def loopback_variables(
    caller: Mapping[str, str], *, url: str, token: str, run_id: str, experiment_id: str
) -> dict[str, str]:
    """What makes any MLflow client speak to the server of this run, and to no other.

    An empty user name and password count as none for every client version, so the token is what is sent. A proxy
    of the caller's must not be asked for a loopback address.
    """
    variables = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": run_id,
        "MLFLOW_EXPERIMENT_ID": experiment_id,
        "BIS_RUN_ID": run_id,
        "BIS_TRACKING_URI": url,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the address is gone when the run has ended
    }
    for name in CREDENTIALS:
        if name in caller and name not in variables:
            variables[name] = ""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = caller.get(name)
        variables[name] = f"{hosts},127.0.0.1" if hosts else "127.0.0.1"
    return variables


def remote_variables(*, uri: str, run_id: str, experiment_id: str) -> dict[str, str]:
    """What makes an MLflow client speak to the caller's own server; its credentials are the caller's already."""
    return {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_RUN_ID": run_id,
        "MLFLOW_EXPERIMENT_ID": experiment_id,
        "BIS_RUN_ID": run_id,
        "BIS_TRACKING_URI": uri,
    }


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a dotenv file (``--env-file``): ``NAME=value`` lines, ``export``, comments, quotes.

    Raises UsageError with the line that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the environment file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the environment file {path} is not UTF-8 text") from error
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        name, separator, value = stripped.partition("=")
        if not separator or not name.strip().isidentifier():
            raise UsageError(f"{path}:{number}: this is not NAME=value", hint="A comment begins with #.")
        variables[name.strip()] = _unquote(value.strip())
    return variables


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] in "'\"" and value[-1] == value[0]:
        inner = value[1:-1]
        if value[0] == '"':
            inner = inner.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
        return inner
    return value.split(" #", 1)[0].rstrip()
