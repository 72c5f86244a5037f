"""How busy the machine is, held against what the system tells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from bis.client import system_metrics
from bis.client.system_metrics import Sampler, Sampling, default_interval_s

if TYPE_CHECKING:
    from pathlib import Path

    from client.conftest import Tracked

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")

MACHINE = {
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/disk_usage_percentage",
    "system/disk_usage_megabytes",
    "system/disk_available_megabytes",
    "system/network_receive_megabytes",
    "system/network_transmit_megabytes",
}


def test_the_names_are_mlflows_and_the_values_make_sense() -> None:
    values = Sampler().sample()
    assert set(values) >= MACHINE
    shares = [value for name, value in values.items() if name.endswith("_percentage")]
    assert all(0 <= share <= 100 for share in shares)
    disk = shutil.disk_usage("/")
    assert values["system/disk_usage_megabytes"] == pytest.approx(disk.used / 1e6, rel=0.02)


def test_the_processes_of_a_session_are_counted_together() -> None:
    sampler = Sampler(os.getsid(0))
    values = sampler.sample()
    assert values["system/run_memory_usage_megabytes"] > 5
    assert Sampler(2**22 + 1).sample().keys() == MACHINE  # of nobody


def test_a_node_has_names_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_NODE_ID", "n1")
    assert "system/n1/cpu_utilization_percentage" in Sampler().sample()


SMI = """#!/bin/sh
echo '1024, 4096, 50, 100.5, 200.0'
echo '0, 4096, [N/A], [N/A], [N/A]'
"""


def test_gpus_are_asked_by_nvidias_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    values = {name: value for name, value in Sampler().sample().items() if "gpu" in name}
    assert values == {
        "system/gpu_0_memory_usage_megabytes": 1073.7,
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_utilization_percentage": 50.0,
        "system/gpu_0_power_usage_watts": 100.5,
        "system/gpu_0_power_usage_percentage": 50.2,
        "system/gpu_1_memory_usage_megabytes": 0.0,
        "system/gpu_1_memory_usage_percentage": 0.0,
    }


@pytest.mark.parametrize("answer", ["exit 9", "echo nonsense", "echo 'a, b'"])
def test_a_program_that_fails_tells_nothing(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert set(Sampler().sample()) == MACHINE


NVML = """
class NVMLError(Exception): pass
def nvmlInit(): pass
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(i): return i
class Told:
    used, total, gpu = 1_000_000_000, 4_000_000_000, 50
def nvmlDeviceGetMemoryInfo(h): return Told
def nvmlDeviceGetUtilizationRates(h): return Told
def nvmlDeviceGetPowerUsage(h): raise NVMLError
"""


def test_gpus_are_asked_by_nvml_when_its_package_is_there(tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text(NVML)
    code = "from bis.client.system_metrics import Sampler as S; print(S().sample())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'system/gpu_0_memory_usage_megabytes': 1000.0" in done.stdout
    assert "power" not in done.stdout


def test_elsewhere_the_load_and_the_disk_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "_read", lambda _: "")
    told = set(Sampler(1).sample())
    assert {"system/cpu_utilization_percentage", "system/disk_usage_percentage"} <= told
    assert not any("network" in name or "memory_usage" in name for name in told if "gpu" not in name)


def test_samples_are_numbered_and_one_that_cannot_be_logged_ends_nothing() -> None:
    steps: list[int] = []
    enough = threading.Event()

    def log(values: object, step: int) -> None:
        steps.append(step)
        if len(steps) >= 3:
            enough.set()
        raise OSError

    sampling = Sampling(log, interval_s=0.01)
    sampling.start()
    assert enough.wait(30)
    sampling.stop()
    assert steps == list(range(len(steps)))


def test_what_is_shorter_than_an_interval_has_one_sample() -> None:
    steps: list[int] = []
    sampling = Sampling(lambda _, step: steps.append(step), interval_s=600)
    sampling.start()
    sampling.stop()
    assert steps == [0]


@pytest.mark.parametrize(("text", "seconds"), [("", 10), ("2.5", 2.5), ("0", 0.1), ("often", 10)])
def test_the_interval_is_mlflows_variable(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", text)
    assert default_interval_s() == seconds


def test_a_run_logs_them_until_it_ends(tracked: Tracked) -> None:
    tracked.script(
        """
        import bis, threading
        with bis.start_run(log_system_metrics=True):
            pass
        assert "bis-system-metrics" not in [thread.name for thread in threading.enumerate()]
        with bis.start_run():
            pass
        """,
        MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING="false",
    )
    first, second = tracked.runs()
    assert set(first["metrics"]) >= MACHINE
    assert second["metrics"] == {}
