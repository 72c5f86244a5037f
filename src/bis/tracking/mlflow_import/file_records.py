"""The small files of an ``mlruns`` directory: ``meta.yaml``, values by name, lines of points."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bis.tracking.mlflow_import.source import POINTS_IN_BATCH, Point

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.tracking.mlflow_import.source import Report

_INT64 = 2**63


def meta(directory: Path, report: Report) -> dict[str, Any] | None:
    """What ``meta.yaml`` says; None, and a report, when it is missing or malformed."""
    import yaml

    file = directory / "meta.yaml"
    try:
        found = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  safe ones
    except FileNotFoundError:
        report(str(file), "is missing")
        return None
    except (OSError, yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        report(str(file), f"cannot be read: {str(error).splitlines()[0]}")
        return None
    if not isinstance(found, dict):
        report(str(file), "has no fields")
        return None
    return found


def subdirectories(directory: Path, report: Report) -> list[Path]:
    """The directories in it, by name. A link is reported and passed over: it could lead anywhere."""
    found = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.append(directory / entry.name)
                elif entry.is_symlink():
                    report(entry.path, "is a link")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found)


def named_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """The files at any depth, each with its name: the path below the directory. Links are not followed."""
    if directory.is_symlink():
        return
    for folder, inner, files in os.walk(directory):
        inner.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)  # noqa: PTH118  a run may have thousands of keys
            if not os.path.islink(path):  # noqa: PTH114
                yield os.path.relpath(path, directory).replace(os.sep, "/"), directory / path


def values(directory: Path, report: Report) -> dict[str, str]:
    """Parameters or tags: the name of a file is the key, its text the value."""
    found = {}
    for key, file in named_files(directory):
        try:
            found[key] = file.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            report(str(file), f"cannot be read: {error}")
    return found


def points_state(directory: Path) -> str:
    """A text that changes when points are added to any file of metrics."""
    return ";".join(f"{key}={file.stat().st_size}" for key, file in named_files(directory))


def points(directory: Path, report: Report) -> Iterator[list[Point]]:
    """The points in all files of metrics; a line that is none is reported and passed over."""
    batch: list[Point] = []
    for key, file in named_files(directory):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    batch.append(_point(key, line))
                except (ValueError, IndexError):
                    report(f"{file}:{number}", "is no point of a metric")
                if len(batch) >= POINTS_IN_BATCH:
                    yield batch
                    batch = []
    if batch:
        yield batch


def _point(key: str, line: bytes) -> Point:
    """``timestamp value [step [dataset digest]]``; MLflow wrote no step before 1.0."""
    parts = line.split()
    timestamp, value, step = int(parts[0]), float(parts[1]), int(parts[2]) if len(parts) > 2 else 0
    if not (-_INT64 <= step < _INT64 and -_INT64 <= timestamp < _INT64):
        raise ValueError
    return (key, step, timestamp, value, 0) if value == value else (key, step, timestamp, 0.0, 1)  # noqa: PLR0124  NaN
