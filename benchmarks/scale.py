"""How searches grow with the number of runs, up to a million runs with 20 million points.

    python benchmarks/scale.py [--sizes 10000,100000,1000000] [--points 20] [--postgres URL]
                               [--directory DIR] [--chart FILE.svg] [--json FILE]

--postgres names a database that is empty, or was filled by this script; it takes the place of SQLite, for one size.

Each store is filled by SQL, as a year of a team would fill it: one experiment with half of the runs, fifty small ones,
five parameters, five tags and five metrics a run. Then the first page of each search is read as a client reads it,
100 runs with all their data, and the best of five times is shown: what else the machine does is not counted.
A store that is kept with --directory is used again. A million runs take about 2.5 GB of disk and a few minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.tracking.sql_store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 100
ROUNDS = 5
CHUNK = 50_000
BEGIN_MS = 1_700_000_000_000

EXPERIMENT = "(CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + (n / 2) % 50 END)"
"""Half of the runs are in experiment 1, a hundredth of them in each of the others."""


def chance(factor: int) -> str:
    """A number between 0 and 1 that looks random, the same for each run on each database."""
    return f"(((n * {factor}) % 1000003) / 1000003.0)"


FILL = (
    "INSERT INTO runs (run_no, run_id, experiment_id, name, user_id, status, start_time, end_time, artifact_uri)"
    f" SELECT n, 'r' || n || 'x{'0' * 20}', {EXPERIMENT}, 'run-' || ((n * 7919) % 1000003), 'user' || (n % 25),"
    " CASE WHEN n % 20 = 0 THEN 'FAILED' WHEN n % 2003 = 0 THEN 'KILLED' ELSE 'FINISHED' END,"
    f" {BEGIN_MS} + n * 30000 + (n * 7919) % 60000, {BEGIN_MS} + n * 30000 + 100000, 'mlflow-artifacts:/x'"
    " FROM numbers",
    "INSERT INTO params (run_no, key, value) SELECT n, 'depth', CAST(n % 12 AS TEXT) FROM numbers"
    " UNION ALL SELECT n, 'lr', CAST(0.1 * (1 + n % 9) AS TEXT) FROM numbers"
    " UNION ALL SELECT n, 'seed', CAST(n AS TEXT) FROM numbers"
    " UNION ALL SELECT n, 'model', CASE n % 3 WHEN 0 THEN 'forest' WHEN 1 THEN 'tree' ELSE 'net' END FROM numbers"
    " UNION ALL SELECT n, 'batch', CAST(16 * (1 + n % 4) AS TEXT) FROM numbers",
    "INSERT INTO tags (run_no, key, value) SELECT n, 'mlflow.runName', 'run-' || ((n * 7919) % 1000003) FROM numbers"
    " UNION ALL SELECT n, 'mlflow.user', 'user' || (n % 25) FROM numbers"
    " UNION ALL SELECT n, 'mlflow.source.name', 'train.py' FROM numbers"
    " UNION ALL SELECT n, 'mlflow.source.git.commit', 'c' || (n / 200) FROM numbers"
    " UNION ALL SELECT n, 'team', CASE WHEN n % 5000 = 0 THEN 'rare' ELSE 'common' END FROM numbers",
    *(
        "INSERT INTO points (run_no, key_id, step, timestamp, value, is_nan)"
        f" SELECT n, {key}, s.step, {BEGIN_MS} + n * 30000 + s.step * 1000,"
        f" {chance(7919 + 2 * key)} + {key} * (CASE WHEN n % 100 = 1 THEN 1 ELSE 0 END) + 1.0 / (1 + s.step), 0"
        " FROM numbers CROSS JOIN steps s"
        for key in range(1, 6)
    ),
    "INSERT INTO latest (run_no, key_id, step, timestamp, value, is_nan) SELECT p.run_no, p.key_id, p.step,"
    " p.timestamp, p.value, p.is_nan FROM numbers CROSS JOIN points p WHERE p.run_no = numbers.n"
    " AND p.step = (SELECT MAX(step) FROM steps)",
)
METRICS = ("loss", "accuracy", "f1", "auc", "rmse")

ONE, SMALL = ["1"], ["3"]
SEARCHES: dict[str, dict[str, Any]] = {
    "newest": {},
    "newest, one experiment": {"experiment_ids": ONE},
    "newest, three experiments": {"experiment_ids": ["1", "2", "3"]},
    "newest, all experiments by id": {"experiment_ids": [str(number) for number in range(52)]},
    "by a metric, smallest first": {"order_by": ["metrics.loss ASC"]},
    "by a metric, largest first": {"order_by": ["metrics.loss DESC"]},
    "by a metric, half of the runs": {"experiment_ids": ONE, "order_by": ["metrics.loss ASC"]},
    "by a metric, a hundredth, all at its end": {"experiment_ids": SMALL, "order_by": ["metrics.loss ASC"]},
    "a metric in a range": {"filter": "metrics.accuracy > 0.9"},
    "a metric in a small range, by another": {
        "filter": "metrics.accuracy BETWEEN 0.9 AND 0.9005",
        "order_by": ["metrics.loss"],
    },
    "a parameter, a twelfth": {"filter": "params.depth = '3'"},
    "a parameter, one run": {"filter": "params.seed = '4321'"},
    "a parameter as a number": {"filter": "params.depth > 10"},
    "a parameter and a metric, by a metric": {
        "filter": "params.depth = '4' AND metrics.accuracy > 0.5",
        "order_by": ["metrics.loss DESC"],
    },
    "the same, one experiment": {
        "experiment_ids": ONE,
        "filter": "params.depth = '4' AND metrics.accuracy > 0.5",
        "order_by": ["metrics.loss DESC"],
    },
    "a tag, one in 5,000": {"filter": "tags.team = 'rare'"},
    "a tag, nearly all": {"filter": "tags.team = 'common'"},
    "a tag that begins with": {"filter": "tags.mlflow.source.git.commit LIKE 'c4_'"},
    "a name": {"filter": "run_name = 'run-7919'"},
    "by name": {"order_by": ["run_name"]},
    "a status, one in 20": {"filter": "status = 'FAILED'"},
    "a status, one in 2,003": {"filter": "status = 'KILLED'"},
    "a status, one experiment": {"experiment_ids": ONE, "filter": "status = 'KILLED'"},
    "by status": {"order_by": ["status"]},
    "two that never meet": {"experiment_ids": ONE, "filter": "params.depth = '3'"},
    "a user, by a metric": {"filter": "user_id = 'user7'", "order_by": ["metrics.auc DESC"]},
    "this or that": {"filter": "params.seed = '12' OR tags.team = 'rare'"},
    "an experiment by name": {"filter": "experiment_name = 'small-9'"},
    "a day, by a metric": {
        "filter": f"start_time BETWEEN {BEGIN_MS + 5000 * 30000} AND {BEGIN_MS + 8000 * 30000}",
        "order_by": ["metrics.loss"],
    },
}


@dataclass
class Size:
    """A store with so many runs, and how long each search took in it."""

    runs: int
    points: int
    bytes: int = 0
    fill_s: float = 0.0
    searches_ms: dict[str, float] = field(default_factory=dict)


def fill(store: SqlStore, runs: int, points: int) -> None:
    """Write the runs; the indexes are made at the end, which is much faster."""
    database = store._db
    with database.writing() as connection:
        for number in range(1, 52):
            name = "large" if number == 1 else f"small-{number}"
            connection.execute(
                "INSERT INTO experiments (experiment_id, name, artifact_location, creation_time, last_update_time)"
                " VALUES (?, ?, 'mlflow-artifacts:/x', ?, ?)",
                (number, name, BEGIN_MS, BEGIN_MS),
            )
        for number, key in enumerate(METRICS, 1):
            connection.execute("INSERT INTO metric_keys (key_id, key) VALUES (?, ?)", (number, key))
        connection.execute("CREATE TEMPORARY TABLE numbers (n BIGINT PRIMARY KEY)")
        connection.execute("CREATE TEMPORARY TABLE steps (step BIGINT PRIMARY KEY)")
        connection.executemany(
            "INSERT INTO steps VALUES (?)", [(step,) for step in range(points // len(METRICS))]
        )
    for start in range(1, runs + 1, CHUNK):
        with database.writing() as connection:
            connection.execute("DELETE FROM numbers")
            connection.execute(
                f"INSERT INTO numbers WITH RECURSIVE c(n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM c"
                f" WHERE n < {min(start + CHUNK - 1, runs)}) SELECT n FROM c"
            )
            for statement in FILL:
                connection.execute(statement)
        print(f"\r{min(start + CHUNK - 1, runs):>9,} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


@contextlib.contextmanager
def without_indexes(store: SqlStore) -> Iterator[None]:
    """Drop the indexes of SQLite for a while, and the care that each commit takes."""
    database = store._db
    if database.dialect.name != "sqlite":
        yield
        with database.writing() as connection:
            connection.execute("ANALYZE")
        return
    database.rows("PRAGMA synchronous=OFF")
    database.rows("PRAGMA cache_size=-400000")
    indexes = database.rows("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    with database.writing() as connection:
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
    yield
    for _, statement in indexes:
        with database.writing() as connection:
            connection.execute(statement)
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")


def filled(directory: Path, runs: int, points: int) -> tuple[SqlStore, float]:
    """The store with so many runs in a directory, and how long it took to fill it."""
    file = directory / f"{runs}" / "bis.db"
    there = file.exists()
    store = open_sql_store(f"sqlite:///{file}", directory / "artifacts")
    if there:
        return store, 0.0
    begun = time.perf_counter()
    with without_indexes(store):
        fill(store, runs, points)
    store.close()
    return open_sql_store(f"sqlite:///{file}", directory / "artifacts"), time.perf_counter() - begun


def filled_postgres(uri: str, directory: Path, runs: int, points: int) -> tuple[SqlStore, float]:
    """The store in PostgreSQL with so many runs, filled when it has none, and how long that took."""
    store = open_sql_store(uri, directory / "artifacts")
    if store._db.row("SELECT 1 FROM runs LIMIT 1") is not None:
        return store, 0.0
    begun = time.perf_counter()
    with without_indexes(store):
        fill(store, runs, points)
    return store, time.perf_counter() - begun


def measure(store: SqlStore, size: Size) -> None:
    """Time the first page of each search: the best of some rounds."""
    for name, arguments in SEARCHES.items():
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            store.search_runs(**{"experiment_ids": None, **arguments}, max_results=PAGE)
            times.append(time.perf_counter() - begun)
        size.searches_ms[name] = min(times) * 1000
        print(
            f"  {name:<42} {size.searches_ms[name]:8.1f} ms   (first: {times[0] * 1000:.1f})", file=sys.stderr
        )


SHOWN = (
    "newest",
    "by a metric, largest first",
    "a parameter, a twelfth",
    "a user, by a metric",
    "a parameter and a metric, by a metric",
    "two that never meet",
)
"""The searches of the chart: the usual ones, and the slowest."""
COLOURS = ("#1b6ca8", "#2a9d8f", "#8ab17d", "#e9a23b", "#d1603d", "#7b4b94")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 360, 70, 20, 250, 44


def chart(sizes: list[Size]) -> str:
    """The time of a first page by the number of runs, as SVG; both axes are logarithmic."""
    most, least = 1000.0, 1.0

    def x(runs: float) -> float:
        first, last = math.log10(sizes[0].runs), math.log10(sizes[-1].runs)
        return LEFT + (math.log10(runs) - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT)

    def y(ms: float) -> float:
        share = math.log10(max(ms, least) / least) / math.log10(most / least)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        ' font-size="12" fill="#444"><rect width="100%" height="100%" fill="white"/>'
    ]
    for ms in (1, 10, 100, 1000):
        lines.append(f'<path d="M{LEFT} {y(ms):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y(ms) + 4:.1f}" text-anchor="end">{ms} ms</text>')
    for size in sizes:
        lines.append(
            f'<text x="{x(size.runs):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{size.runs:,}</text>'
        )
    lines.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">runs</text>')
    lines.append(f'<path d="M{LEFT} {y(300):.1f}H{WIDTH - RIGHT}" stroke="#b00" stroke-dasharray="4 4"/>')
    lines.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y(300) + 4:.1f}" fill="#b00">300 ms</text>')
    ends = sorted(sizes[-1].searches_ms[name] for name in SHOWN)
    for name, colour in zip(SHOWN, COLOURS, strict=True):
        points = " ".join(f"{x(size.runs):.1f},{y(size.searches_ms[name]):.1f}" for size in sizes)
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        place = TOP + 96 + (len(ends) - 1 - ends.index(sizes[-1].searches_ms[name])) * 22
        lines.append(f'<text x="{WIDTH - RIGHT + 8}" y="{place}" fill="{colour}">{name}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--points", type=int, default=20, help="points a run")
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--chart", type=Path, help="draw the growth into this file, as SVG")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    directory = args.directory or Path(tempfile.mkdtemp(prefix="bis-scale-"))
    try:
        sizes = []
        for runs in map(int, args.sizes.split(",")):
            if args.postgres:
                store, fill_s = filled_postgres(args.postgres, directory, runs, args.points)
                stored = int(store._db.row("SELECT pg_database_size(current_database())")[0])
            else:
                store, fill_s = filled(directory, runs, args.points)
                stored = (directory / f"{runs}" / "bis.db").stat().st_size
            size = Size(runs, runs * args.points, bytes=stored, fill_s=fill_s)
            print(f"{runs:,} runs, {stored / 1e9:.2f} GB, filled in {fill_s:.0f} s", file=sys.stderr)
            measure(store, size)
            store.close()
            sizes.append(size)
    finally:
        if args.directory is None:
            shutil.rmtree(directory)
    if args.chart:
        args.chart.write_text(chart(sizes), encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps([vars(size) for size in sizes], indent=2))


if __name__ == "__main__":
    main()
