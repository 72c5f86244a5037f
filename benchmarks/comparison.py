"""Measures the comparison of two recorded runs: 1,000 metrics with 1 million points, and 1,000 artifacts of 1 MB.

    python benchmarks/comparison.py [--metrics 1000] [--points 1000000] [--artifacts 1000] [--changed 0.1]

Both runs are loaded from a store and compared, as ``bis diff`` does. A share of the artifacts has other bytes and
has to be compared by value: arrays, tables, documents and pickles in turn. The limit is 10 s.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import random
import struct
import tempfile
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from bis.home import Home
from bis.repeat.comparison import compare_runs
from bis.repeat.recorded import RecordedRun
from bis.tracking import Metric, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.tracking import Store

LIMIT_S = 10.0
_ARTIFACT_BYTES = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description="comparison of two large runs")
    parser.add_argument("--metrics", type=int, default=1000)
    parser.add_argument("--points", type=int, default=1_000_000, help="of a run, over all metrics")
    parser.add_argument("--artifacts", type=int, default=1000)
    parser.add_argument("--changed", type=float, default=0.1, help="the share of artifacts with other bytes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(Home(Path(directory)))
        runs = [_make_run(store, Path(directory), options, second=second) for second in (False, True)]
        begin = time.perf_counter()
        first, second = (RecordedRun.load(store, run_id) for run_id in runs)
        loaded = time.perf_counter()
        comparison = compare_runs(first, second)
        end = time.perf_counter()
        store.close()
    print(f"{options.metrics} metrics, {options.points} points, {options.artifacts} artifacts of 1 MB")
    print(f"compared: {dict(comparison.compared)}, notes: {list(comparison.notes)}")
    print(f"{comparison.verdict.name}, {len(comparison.differences)} differences")
    print(f"load     {loaded - begin:6.2f} s")
    print(f"compare  {end - loaded:6.2f} s")
    print(f"in all   {end - begin:6.2f} s   limit {LIMIT_S:.0f} s")
    raise SystemExit(end - begin > LIMIT_S)


def _make_run(store: Store, directory: Path, options: argparse.Namespace, *, second: bool) -> str:
    run_id = store.create_run("0").info.run_id
    each = options.points // options.metrics
    for number in range(options.metrics):
        values = [math.exp(-step / 100) + number for step in range(each)]
        values[-1] += 1e-9 if second and number % 10 == 0 else 0.0
        store.log_batch(run_id, [Metric(f"metric {number}", v, 1000 + i, i) for i, v in enumerate(values)])
    artifacts = directory / f"artifacts of {run_id}"
    artifacts.mkdir()
    changed = int(options.artifacts * options.changed)
    makers: list[tuple[str, Callable[[random.Random], bytes]]] = [
        ("npy", _array), ("csv", _table), ("json", _document), ("pkl", _pickle)
    ]  # fmt: skip
    for number in range(options.artifacts):
        suffix, make = makers[number % len(makers)]
        seed = number + (options.artifacts if second and number < changed else 0)
        (artifacts / f"{number}.{suffix}").write_bytes(make(random.Random(seed)))
    store.log_artifact(run_id, artifacts, "data")
    return run_id


def _numbers(source: random.Random, count: int) -> array[float]:
    return array("d", source.choices([source.random() for _ in range(1000)], k=count))


def _array(source: random.Random) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({_ARTIFACT_BYTES // 8},), }}".encode()
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header
        + _numbers(source, _ARTIFACT_BYTES // 8).tobytes()
    )


def _table(source: random.Random) -> bytes:
    numbers = _numbers(source, _ARTIFACT_BYTES // 20)
    rows = (",".join(map(repr, numbers[i : i + 8])) for i in range(0, len(numbers), 8))
    return b"a,b,c,d,e,f,g,h\n" + "\n".join(rows).encode()


def _document(source: random.Random) -> bytes:
    return json.dumps({"values": list(_numbers(source, _ARTIFACT_BYTES // 20))}).encode()


def _pickle(source: random.Random) -> bytes:
    return pickle.dumps({"weights": list(_numbers(source, _ARTIFACT_BYTES // 9))})


if __name__ == "__main__":
    main()
