"""How busy the machine is, by MLflow's names: processors, memory, disk, network, and NVIDIA's GPUs where there are any.

From ``/proc`` on Linux. Elsewhere, and on macOS, only the disk and what ``os`` tells of the load. Used in a script
(``start_run(log_system_metrics=True)``) and by bis itself (``bis run --system-metrics``).
"""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Values = dict[str, float]

INTERVAL_S = 10.0
"""Between two samples, as MLflow's; MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL says another."""
_MEGABYTE = 1e6
_QUERY = "memory.used,memory.total,utilization.gpu,power.draw,enforced.power.limit"
_QUERY_TIMEOUT_S = 10


class Sampling:
    """Samples in a thread, and hands each sample to ``log`` with its number, until it is stopped.

    ``session``: also what the processes of that session take together (``system/run_...``).
    """

    def __init__(
        self,
        log: Callable[[Values, int], None],
        *,
        interval_s: float | None = None,
        session: int | None = None,
    ) -> None:
        self._log = log
        self._interval_s = interval_s or default_interval_s()
        self._sampler = Sampler(session)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="bis-system-metrics", daemon=True)

    def start(self) -> None:
        """Begin: the first sample comes after one interval, for a rate needs two moments."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was shorter than an interval gets one sample."""
        self._stopped.set()
        self._thread.join(_QUERY_TIMEOUT_S)

    def _work(self) -> None:
        step = 0
        while True:
            is_over = self._stopped.wait(self._interval_s)
            if is_over and step:
                return
            try:
                self._log(self._sampler.sample(), step)
            except Exception:  # noqa: S110 (the server is away: what the script itself logs will tell)
                pass
            step += 1


class Sampler:
    """What changed between two calls, and what is now."""

    def __init__(self, session: int | None = None) -> None:
        self._session = session
        self._gpus = _gpu_reader()
        self._node = os.environ.get("MLFLOW_SYSTEM_METRICS_NODE_ID")
        self._busy = _processor_times()
        self._run_times: dict[int, float] = {}
        self._moment = _now_s()
        self._network = _network_bytes()
        if session is not None:
            self._run_usage()

    def sample(self) -> Values:
        """The values now, with the prefix ``system/``; what this system does not tell is absent."""
        values = {**self._processors(), **_memory(), **_disk(), **self._traffic(), **self._gpus()}
        if self._session is not None:
            values.update(self._run_usage())
        prefix = "system/" + (self._node + "/" if self._node else "")
        return {prefix + name: round(value, 1) for name, value in values.items()}

    def _processors(self) -> Values:
        before, now = self._busy, _processor_times()
        self._busy = now
        if now is None or before is None:
            try:
                share = os.getloadavg()[0] / (os.cpu_count() or 1)
            except (OSError, AttributeError):
                return {}
            return {"cpu_utilization_percentage": min(100.0, 100 * share)}
        busy, passed = now[0] - before[0], now[1] - before[1]
        return {"cpu_utilization_percentage": 100.0 * busy / passed if passed > 0 else 0.0}

    def _traffic(self) -> Values:
        now = _network_bytes()
        if now is None or self._network is None:
            return {}
        return {
            "network_receive_megabytes": (now[0] - self._network[0]) / _MEGABYTE,
            "network_transmit_megabytes": (now[1] - self._network[1]) / _MEGABYTE,
        }

    def _run_usage(self) -> Values:
        """Processors (100 is one of them) and memory of the session's processes since the last call."""
        moment, times, resident = _now_s(), {}, 0.0
        for process in _processes_of(self._session):
            times[process[0]] = process[1]
            resident += process[2]
        spent = sum(max(0.0, time - self._run_times.get(process, 0.0)) for process, time in times.items())
        passed = moment - self._moment
        self._moment, self._run_times = moment, times
        if not times:
            return {}
        return {
            "run_cpu_utilization_percentage": 100.0 * spent / passed if passed > 0 else 0.0,
            "run_memory_usage_megabytes": resident / _MEGABYTE,
        }


def default_interval_s() -> float:
    """What MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL says, else INTERVAL_S."""
    try:
        return max(0.1, float(os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL") or INTERVAL_S))
    except ValueError:
        return INTERVAL_S


def _now_s() -> float:
    import time

    return time.monotonic()


def _read(path: str) -> str:
    """The text of a file of /proc; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _processor_times() -> tuple[float, float] | None:
    """Busy and total time of all processors (proc(5): user nice system idle iowait irq softirq steal)."""
    fields = _read("/proc/stat").partition("\n")[0].split()[1:9]
    if len(fields) < 5:
        return None
    ticks = [float(field) for field in fields]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _memory() -> Values:
    sizes = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            sizes[name] = float(rest.split()[0]) * 1024
    if len(sizes) < 2:
        return {}
    used = sizes["MemTotal"] - sizes["MemAvailable"]
    return {
        "system_memory_usage_megabytes": used / _MEGABYTE,
        "system_memory_usage_percentage": 100 * used / sizes["MemTotal"],
    }


def _disk() -> Values:
    try:
        told = os.statvfs("/")
    except (OSError, AttributeError):
        return {}
    used = float(told.f_blocks - told.f_bfree) * told.f_frsize
    free = float(told.f_bavail) * told.f_frsize
    return {
        "disk_usage_percentage": 100 * used / (used + free) if used + free else 0.0,
        "disk_usage_megabytes": used / _MEGABYTE,
        "disk_available_megabytes": free / _MEGABYTE,
    }


def _network_bytes() -> tuple[float, float] | None:
    """Bytes received and sent by all interfaces."""
    lines = _read("/proc/net/dev").splitlines()[2:]
    fields = [line.partition(":")[2].split() for line in lines]
    if not fields:
        return None
    return sum(float(one[0]) for one in fields), sum(float(one[8]) for one in fields)


def _processes_of(session: int | None) -> list[tuple[int, float, float]]:
    """The processes of a session: id, processor time in seconds, resident bytes (proc(5), /proc/pid/stat)."""
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = []
    for name in names:
        fields = _read("/proc/{}/stat".format(name)).rpartition(")")[2].split()  # a name may hold anything
        if len(fields) > 21 and int(fields[3]) == session:
            seconds = (float(fields[11]) + float(fields[12])) / tick
            found.append((int(name), seconds, float(fields[21]) * page))
    return found


def _gpu_reader() -> Callable[[], Values]:
    """How the GPUs are asked: by NVML when its Python package is there, else by nvidia-smi, else not at all."""
    try:
        import pynvml  # type: ignore[import-not-found]

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no package, no driver, no GPU
        from shutil import which

        program = which("nvidia-smi")
        return lambda: {} if program is None else _ask_nvidia_smi(program)
    return lambda: _ask_nvml(pynvml, handles)


def _ask_nvml(nvml: Any, handles: list[Any]) -> Values:
    values: Values = {}
    for number, handle in enumerate(handles):
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            used, total = memory.used / _MEGABYTE, memory.total / _MEGABYTE
            busy = float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            values.update(_of_gpu(number, [used, total, busy]))
            power = nvml.nvmlDeviceGetPowerUsage(handle) / 1000
            limit = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
            values.update(_of_gpu(number, [used, total, busy, power, limit]))
        except nvml.NVMLError:  # not every GPU tells everything
            continue
    return values


def _ask_nvidia_smi(program: str) -> Values:
    import subprocess

    command = [program, "--query-gpu=" + _QUERY, "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_QUERY_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    values: Values = {}
    for number, line in enumerate(answer.stdout.decode("utf-8", "replace").splitlines()):
        fields = [_number(field) for field in line.split(",")]
        mebibytes = [None if field is None else field * 1.048576 for field in fields[:2]]
        values.update(_of_gpu(number, [*mebibytes, *fields[2:]]))
    return values


def _of_gpu(number: int, told: list[float | None]) -> Values:
    """MLflow's names, from memory used and total (MB), utilization (%), power and its limit (W)."""
    used, total, busy, power, limit = [*told, None, None, None, None, None][:5]
    values = {
        "memory_usage_megabytes": used,
        "memory_usage_percentage": 100 * used / total if used is not None and total else None,
        "utilization_percentage": busy,
        "power_usage_watts": power,
        "power_usage_percentage": 100 * power / limit if power is not None and limit else None,
    }
    return {"gpu_{}_{}".format(number, name): value for name, value in values.items() if value is not None}


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:  # "[N/A]"
        return None
