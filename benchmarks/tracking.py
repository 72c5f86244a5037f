"""bis's tracking server and MLflow's, side by side: start, memory, speed, CPU.

    python benchmarks/tracking.py [--rounds 3] [--runs 10000] [--mlflow PYTHON] [--no-default] [--json FILE]

All servers run on this machine at the same time, and one client drives them in turn, a short block each, so that
what else the machine does falls on all alike. The peer is `mlflow server` with SQLite: as it is by default, and as it
is best (`--workers 1`, MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false). CPU is what all processes of a server used, by
/proc. Both stores hold the same runs: bis's are logged through its API, MLflow's are written into its database,
because its API would take half an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from http_driver import API, Connection, Load, drive, timed
from run_overhead import cached_mlflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POINTS = 100_000
ARTIFACT_MB = 200
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A server process, with all that it starts."""

    name: str
    command: list[str]
    environ: dict[str, str]
    directory: Path
    port: int = 0
    ready_s: list[float] = field(default_factory=list)
    loads: dict[str, Load] = field(default_factory=dict)
    times_s: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0
    processes: int = 0
    run_id: str = ""

    def start(self) -> None:
        self.port = self.port or free_port()
        words = [word.replace("PORT", str(self.port)) for word in self.command]
        begun = time.perf_counter()
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                words, env=self.environ, stdout=log, stderr=log, start_new_session=True, cwd=self.directory
            )
        while not self._answers():
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended: {(self.directory / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        self.ready_s.append(time.perf_counter() - begun)

    def _answers(self) -> bool:
        try:
            connection = Connection(self.port)
            connection.send(connection.request("GET", "/health"))
            while (answer := connection.received()) is None:
                pass
        except (OSError, ConnectionError):
            return False
        connection.close()
        return bool(answer[0] == 200)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def members(self) -> list[int]:
        """The processes of its session."""
        return [int(p.name) for p in Path("/proc").glob("[0-9]*") if session_of(p) == self.process.pid]

    def cpu(self) -> float:
        """Seconds of CPU that its processes have used, those too that have ended."""
        total = 0.0
        for pid in self.members():
            try:
                words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += sum(map(int, words[11:15])) / TICKS
        return total

    def weigh(self) -> None:
        """Note the memory of all its processes: the sum of their proportional shares."""
        members = self.members()
        self.processes = len(members)
        self.memory_mb = sum(pss_mb(pid) for pid in members)

    def load(self, what: str, connections: int, requests: Iterator[tuple[str, str, dict[str, Any]]]) -> None:
        before = self.cpu()
        self.loads.setdefault(what, Load()).add(drive(self.port, connections, requests))
        self.cpu_s[what] = self.cpu_s.get(what, 0.0) + self.cpu() - before

    def time(self, what: str, call: Callable[[Connection], object], *, repeat: int = 1) -> None:
        connection = Connection(self.port)
        self.times_s.setdefault(what, []).extend(timed(lambda: call(connection)) for _ in range(repeat))
        connection.close()


def session_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return 0


def pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=10_000, help="in both stores before the measurement")
    parser.add_argument(
        "--mlflow", type=Path, help="a Python with mlflow; default: one in a cached environment"
    )
    parser.add_argument("--no-default", action="store_true", help="leave out MLflow's default configuration")
    parser.add_argument("--only-bis", action="store_true", help="leave out MLflow")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        mlflow = None if args.only_bis else args.mlflow or cached_mlflow()
        servers = make_servers(directory, mlflow, with_default=not args.no_default)
        figures = measure(servers, args.rounds, args.runs, mlflow)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def make_servers(directory: Path, mlflow: Path | None, *, with_default: bool) -> list[Server]:
    bin_directory = Path(sys.executable).parent
    home = directory / "bis"
    home.mkdir()
    command = [str(bin_directory / "bis"), "server", "--port", "PORT"]
    servers = [Server("bis", command, {**os.environ, "BIS_HOME": str(home / "home")}, home)]
    if mlflow is None:
        return servers
    kinds = [("mlflow best", ["--workers", "1"], {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})]
    if with_default:
        kinds.append(("mlflow default", [], {}))
    for label, options, more in kinds:
        place = directory / label.replace(" ", "-")
        place.mkdir()
        command = [str(mlflow.parent / "mlflow"), "server", "--host", "127.0.0.1", "--port", "PORT", *options]
        command += ["--backend-store-uri", f"sqlite:///{place}/mlflow.db"]
        command += ["--artifacts-destination", str(place / "artifacts")]
        environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **more}
        environ["PATH"] = f"{mlflow.parent}:{environ['PATH']}"
        servers.append(Server(label, command, environ, place))
    return servers


# What the stores hold


def run_rows(count: int) -> Iterator[tuple[str, int, list[tuple[str, float]], list[tuple[str, str]]]]:
    chance = random.Random(0)
    for number in range(count):
        metrics = [("accuracy", chance.random()), *((f"metric_{i}", chance.random()) for i in range(4))]
        params = [("depth", str(number % 10)), *((f"param_{i}", str(chance.random())) for i in range(4))]
        yield f"{number:032x}", 1_700_000_000_000 + number * 1000, metrics, params


def fill_bis(server: Server, runs: int) -> None:
    connection = Connection(server.port)
    experiment = connection.call("POST", f"{API}experiments/create", {"name": "filled"})["experiment_id"]
    assert experiment == "1"
    for _, start, metrics, params in run_rows(runs):
        made = connection.call(
            "POST", f"{API}runs/create", {"experiment_id": "1", "start_time": start, "user_id": "someone"}
        )
        fields = {
            "run_id": made["run"]["info"]["run_id"],
            "metrics": [{"key": k, "value": v, "timestamp": start, "step": 0} for k, v in metrics],
            "params": [{"key": k, "value": v} for k, v in params],
        }
        connection.call("POST", f"{API}runs/log-batch", fields)
    server.run_id = new_run(connection)
    for first in range(0, POINTS, 1000):
        connection.call(
            "POST", f"{API}runs/log-batch", {"run_id": server.run_id, "metrics": points(first, 1000)}
        )
    connection.close()


def fill_mlflow(server: Server, runs: int, mlflow: Path) -> None:
    """Write the same runs into MLflow's database, which MLflow makes."""
    database = server.directory / "mlflow.db"
    make = (
        "import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as S;"
        "s = S(sys.argv[1], sys.argv[2]); print(s.create_experiment('filled'))"
    )
    uri, artifacts = f"sqlite:///{database}", "mlflow-artifacts:/"
    subprocess.run(
        [str(mlflow), "-c", make, uri, artifacts], check=True, env=server.environ, capture_output=True
    )
    connection = sqlite3.connect(database)
    for run_id, start, metrics, params in run_rows(runs):
        insert_run(connection, run_id, start)
        for key, value in metrics:
            insert_metric(connection, run_id, key, value, start, 0, latest=True)
        connection.executemany(
            "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
            [(key, value, run_id) for key, value in params],
        )
    server.run_id = "f" * 32
    insert_run(connection, server.run_id, 1, experiment=0)
    for point in points(0, POINTS):
        last = point["step"] == POINTS - 1
        insert_metric(
            connection, server.run_id, "loss", point["value"], point["timestamp"], point["step"], latest=last
        )
    connection.commit()
    connection.close()


def insert_run(connection: sqlite3.Connection, run_id: str, start: int, experiment: int = 1) -> None:
    connection.execute(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
        " source_version, lifecycle_stage, artifact_uri, experiment_id)"
        " VALUES (?, ?, 'UNKNOWN', '', '', 'someone', 'RUNNING', ?, '', 'active', ?, ?)",
        (run_id, f"run-{run_id[-6:]}", start, f"mlflow-artifacts:/1/{run_id}/artifacts", experiment),
    )
    connection.execute(
        "INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)",
        (f"run-{run_id[-6:]}", run_id),
    )


def insert_metric(
    connection: sqlite3.Connection,
    run_id: str,
    key: str,
    value: float,
    time_ms: int,
    step: int,
    *,
    latest: bool,
) -> None:
    row = (key, value, time_ms, step, 0, run_id)
    for table in ("metrics", *(("latest_metrics",) if latest else ())):
        connection.execute(
            f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )


def new_run(connection: Connection) -> str:
    made = connection.call("POST", f"{API}runs/create", {"experiment_id": "0", "start_time": 1})
    return str(made["run"]["info"]["run_id"])


def points(first: int, count: int, key: str = "loss") -> list[dict[str, Any]]:
    return [
        {"key": key, "value": step / 7, "timestamp": 1_700_000_000_000 + step, "step": step}
        for step in range(first, first + count)
    ]


# What is asked of the servers


def measure(servers: list[Server], rounds: int, runs: int, mlflow: Path | None) -> dict[str, Any]:
    for server in servers:
        if server.name != "bis" and mlflow is not None:
            fill_mlflow(server, runs, mlflow)
        server.start()
        if server.name == "bis":
            fill_bis(server, runs)
            server.stop()
            server.start()
    time.sleep(10)  # MLflow's job consumers settle
    for server in servers:
        server.weigh()
    try:
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
            for server in servers:
                write_loads(server, turn)
            for server in servers:
                read_times(server, runs)
        for server in servers:
            transfer(server, rounds)
            server.weigh()
    finally:
        for server in servers:
            server.stop()
    return report(servers)


def write_loads(server: Server, turn: int) -> None:
    slow = server.name != "bis"
    connection = Connection(server.port)
    run_id = new_run(connection)
    connection.close()
    for connections in (1, 8):
        singles = 100 if slow else 1000
        base = (turn * 10 + connections) * 1_000_000
        server.load(f"log-metric c={connections}", connections, log_metric(run_id, base, singles))
        server.load(f"log-batch c={connections}", connections, log_batch(run_id, base, 8 if slow else 24))
        server.load(f"create-run c={connections}", connections, create_run(50 if slow else 400))


def log_metric(run_id: str, base: int, count: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for point in points(base, count, "single"):
        yield "POST", f"{API}runs/log-metric", {"run_id": run_id, "run_uuid": run_id, **point}


def log_batch(run_id: str, base: int, count: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for number in range(count):
        fields = {"run_id": run_id, "metrics": points(base + number * 1000, 1000, "batch")}
        yield "POST", f"{API}runs/log-batch", fields


def create_run(count: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for number in range(count):
        tags = [
            {"key": "mlflow.user", "value": "someone"},
            {"key": "mlflow.source.name", "value": "train.py"},
        ]
        yield "POST", f"{API}runs/create", {"experiment_id": "0", "start_time": number + 1, "tags": tags}


def read_times(server: Server, runs: int) -> None:
    best = {"experiment_ids": ["1"], "order_by": ["metrics.accuracy DESC"], "max_results": 5}
    filtered = {
        "experiment_ids": ["1"],
        "filter": "metrics.accuracy > 0.5 and params.depth = '3'",
        "order_by": ["metrics.metric_0 DESC"],
        "max_results": 100,
    }
    server.time("5 best of all", lambda connection: searched(connection, best, min(5, runs)), repeat=3)
    server.time("100 filtered, ordered", lambda connection: searched(connection, filtered, 0), repeat=3)
    server.time("all runs, pages of 1,000", lambda connection: all_pages(connection, runs))
    before = server.cpu()
    server.time("history of 100,000 points", lambda connection: history(connection, server.run_id))
    server.cpu_s["history of 100,000 points"] = server.cpu() - before


def searched(connection: Connection, fields: dict[str, Any], at_least: int) -> None:
    found = connection.call("POST", f"{API}runs/search", fields)["runs"]
    assert len(found) >= at_least, len(found)


def all_pages(connection: Connection, runs: int) -> None:
    seen, token = 0, None
    while True:
        fields = {"experiment_ids": ["1"], "max_results": 1000, **({"page_token": token} if token else {})}
        page = connection.call("POST", f"{API}runs/search", fields)
        seen += len(page.get("runs", ()))
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == runs, seen


def history(connection: Connection, run_id: str) -> None:
    seen, token = 0, ""
    while True:
        path = f"{API}metrics/get-history?run_id={run_id}&metric_key=loss&max_results=25000"
        page = connection.call("GET", path + (f"&page_token={token}" if token else ""))
        seen += len(page["metrics"])
        token = page.get("next_page_token", "").replace("=", "%3D").replace("+", "%2B")
        if not token:
            break
    assert seen == POINTS, seen


def transfer(server: Server, rounds: int) -> None:
    block = os.urandom(1 << 20)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{server.run_id}/artifacts/big.bin"
    for _ in range(rounds):
        server.time("200 MiB up", lambda connection: upload(connection, path, block))
        server.time("200 MiB down", lambda connection: download(connection, path))
    shutil.rmtree(server.directory / "artifacts", ignore_errors=True)


def upload(connection: Connection, path: str, block: bytes) -> None:
    head = connection.request("PUT", path).replace(
        b"Content-Length: 0", f"Content-Length: {ARTIFACT_MB << 20}".encode()
    )
    connection.socket.sendall(head.replace(b"application/json", b"application/octet-stream"))
    for _ in range(ARTIFACT_MB):
        connection.socket.sendall(block)
    while (answer := connection.received()) is None:
        pass
    assert answer[0] == 200, answer


def download(connection: Connection, path: str) -> None:
    """Read it to the end, in whichever way the server marks the end, without keeping it."""
    connection.socket.sendall(
        connection.request("GET", path).replace(b"\r\nContent-Length: 0", b"\r\nConnection: close")
    )
    size, buffer = 0, bytearray(1 << 20)
    while count := connection.socket.recv_into(buffer):
        size += count
    assert size >= ARTIFACT_MB << 20, size


# The table


def report(servers: list[Server]) -> dict[str, Any]:
    rows: list[tuple[str, list[float], bool]] = [
        ("ready after start, s", [statistics.median(s.ready_s) for s in servers], False),
        ("memory of all processes, MB", [s.memory_mb for s in servers], False),
        ("processes", [float(s.processes) for s in servers], False),
    ]
    for what in servers[0].loads:
        factor = 1000 if what.startswith("log-batch") else 1
        unit = "points/s" if factor > 1 else "requests/s"
        rows.append((f"{what}, {unit}", [s.loads[what].per_second * factor for s in servers], True))
        rows.append((f"{what}, p50 ms", [s.loads[what].median_ms for s in servers], False))
        rows.append((f"{what}, p99 ms", [s.loads[what].percentile_ms(99) for s in servers], False))
        cpu = [s.cpu_s[what] / len(s.loads[what].latencies_s) * 1000 for s in servers]
        rows.append((f"{what}, server CPU ms a request", cpu, False))
    for what in servers[0].times_s:
        medians = [statistics.median(s.times_s[what]) for s in servers]
        if what.startswith("200 MiB"):
            rows.append((f"{what}, MiB/s", [ARTIFACT_MB / seconds for seconds in medians], True))
        else:
            rows.append((f"{what}, ms", [seconds * 1000 for seconds in medians], False))
    rows.append(
        (
            "history of 100,000 points, server CPU s",
            [s.cpu_s["history of 100,000 points"] for s in servers],
            False,
        )
    )
    print(f"{'':44}" + "".join(f"{s.name:>16}" for s in servers) + f"{'bis is better by':>18}")
    for name, values, more_is_better in rows:
        print(
            f"{name:44}"
            + "".join(f"{value:16.2f}" for value in values)
            + f"{ratio(values, more_is_better):>18}"
        )
    return {name: dict(zip((s.name for s in servers), values, strict=True)) for name, values, _ in rows}


def ratio(values: list[float], more_is_better: bool) -> str:
    """How many times bis is better than the best of the peers."""
    if len(values) < 2:
        return ""
    if more_is_better:
        return f"{values[0] / max(values[1:]):.1f}"
    return f"{min(values[1:]) / values[0]:.1f}" if values[0] else ""


if __name__ == "__main__":
    main()
