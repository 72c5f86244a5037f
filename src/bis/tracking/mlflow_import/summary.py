"""What an import found, what it copied, and what it could not."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Counts:
    """How many there are of each kind."""

    experiments: int = 0
    runs: int = 0
    points: int = 0
    params: int = 0
    tags: int = 0
    datasets: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    logged_models: int = 0
    registered_models: int = 0
    model_versions: int = 0


@dataclass(frozen=True)
class Problem:
    """Something of the source that was passed over."""

    where: str
    what: str


@dataclass(frozen=True)
class Progress:
    """How far an import is; ``total_runs`` is None where the source does not say it."""

    experiment: str
    runs: int
    total_runs: int | None
    points: int


@dataclass
class Imported:
    """The result of an import.

    ``experiments`` maps ids of the source to those of the store: None for one that a dry run did not make.
    ``repeated_points`` stood twice in the source.
    ``mismatches`` are runs whose points in the store are not as many as were read: a defect, or a source that changed
    meanwhile.
    """

    source: str
    found: Counts = field(default_factory=Counts)
    copied: Counts = field(default_factory=Counts)
    experiments: dict[str, str | None] = field(default_factory=dict)
    unchanged_runs: int = 0
    passed_over_runs: int = 0
    repeated_points: int = 0
    problems: list[Problem] = field(default_factory=list)
    unreachable: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    mismatches: list[Problem] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether every run that was found is in the store now, with as many points as were read."""
        counted = self.copied.runs + self.unchanged_runs
        return counted == self.found.runs and not self.mismatches
