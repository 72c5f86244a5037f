"""The probe in every interpreter that is here. What it does to real MLflow clients: tests/cli/test_tracking.py."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from bis.execution.variables import PROBE
from execution.interpreters import interpreters

if TYPE_CHECKING:
    from pathlib import Path


def run(
    python: str, code: str, tmp_path: Path, *path: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [PROBE, *path])),
        "BIS_RUN_ID": "f" * 32,
        "BIS_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_RUN_ID": "f" * 32,
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_EXPERIMENT_ID": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
    }
    return subprocess.run(
        [python, "-c", textwrap.dedent(code)],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def mlflow(tmp_path: Path) -> Path:
    """A package with the two modules of MLflow that the probe amends, at the places they have had since 1.20."""
    service = tmp_path / "site" / "mlflow" / "tracking" / "_tracking_service"
    service.mkdir(parents=True)
    (tmp_path / "site" / "mlflow" / "__init__.py").write_text(
        "from mlflow.tracking._tracking_service.utils import set_tracking_uri\n"
        "from mlflow.tracking.fluent import set_experiment\n"
    )
    (service.parent / "__init__.py").write_text("")
    (service / "__init__.py").write_text("")
    (service / "utils.py").write_text(
        "uri = None\ndef set_tracking_uri(new):\n    'Set it.'\n    global uri\n    uri = new\n"
    )
    (service.parent / "fluent.py").write_text("def set_experiment(name):\n    return name\n")
    return tmp_path / "site"


@pytest.mark.parametrize("python", interpreters())
def test_it_does_no_harm_in_any_python(python: str, tmp_path: Path) -> None:
    answer = run(python, "print('ran')", tmp_path)
    assert (answer.stdout, answer.stderr, answer.returncode) == ("ran\n", "", 0)


@pytest.mark.parametrize("python", interpreters())
def test_the_sitecustomize_that_it_hides_is_imported(python: str, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("import sys\nsys.chained = __file__\n")
    answer = run(
        python, "import sys, sitecustomize; print(sys.chained, sitecustomize.__file__)", tmp_path, theirs
    )
    assert answer.stdout.split() == [str(theirs / "sitecustomize.py")] * 2, answer.stderr


@pytest.mark.parametrize("python", interpreters())
def test_a_tracking_uri_in_the_script_has_no_effect_and_it_says_so(
    python: str, tmp_path: Path, mlflow: Path
) -> None:
    code = """
        import sys, mlflow
        from mlflow.tracking._tracking_service import utils
        mlflow.set_tracking_uri("http://user:secret@host:5000")
        print(utils.uri, mlflow.set_tracking_uri.__doc__, type(utils.__spec__.loader).__name__)
    """
    answer = run(python, code, tmp_path, mlflow)
    assert answer.returncode == 0, answer.stderr
    if "3.6" in python:  # the probe stays away
        assert "http://user:secret@host:5000" in answer.stdout
        return
    assert answer.stdout == "None Set it. SourceFileLoader\n"
    assert answer.stderr == (
        "bis: set_tracking_uri('http://host:5000') has no effect here; the run stays in bis\n"
    )


def test_its_own_tracking_uri_is_taken_without_a_word(tmp_path: Path, mlflow: Path) -> None:
    code = """
        import os, mlflow
        from mlflow.tracking._tracking_service import utils
        mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"] + "/")
        print(utils.uri)
    """
    answer = run(sys.executable, code, tmp_path, mlflow)
    assert (answer.stdout, answer.stderr) == ("http://127.0.0.1:9/\n", "")


def test_a_tracking_uri_set_through_the_environment_before_the_import_is_put_back(
    tmp_path: Path, mlflow: Path
) -> None:
    code = """
        import os
        os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///elsewhere.db"
        import mlflow
        print(os.environ["MLFLOW_TRACKING_URI"])
    """
    answer = run(sys.executable, code, tmp_path, mlflow)
    assert answer.stdout == "http://127.0.0.1:9\n"
    assert "MLFLOW_TRACKING_URI was set by the script" in answer.stderr


def test_outside_a_run_it_changes_nothing(tmp_path: Path, mlflow: Path) -> None:
    code = """
        import mlflow
        from mlflow.tracking._tracking_service import utils
        mlflow.set_tracking_uri("http://host:5000")
        print(utils.uri)
    """
    answer = run(sys.executable, code, tmp_path, mlflow, BIS_RUN_ID="", BIS_TRACKING_URI="")
    assert (answer.stdout, answer.stderr) == ("http://host:5000\n", "")
