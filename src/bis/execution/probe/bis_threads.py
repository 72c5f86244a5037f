"""Undoes what a set number of threads would do to programs that divide the cores among their processes.

joblib and torchrun give each worker its part of the cores, unless the number of threads is set: they take that as the
user's word. Where the number is the one that bis set (all cores), it is not. Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os

from bis_hooks import after

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any


def install() -> None:
    """Amend them as they are imported, at the level ``seed``; at ``strict`` each has one thread anyway."""
    if os.environ.get("BIS_LEVEL") == "seed" and "LOKY_MAX_CPU_COUNT" in os.environ:
        after("joblib._parallel_backends", _amend_joblib)
        after("torch.distributed.run", _amend_torchrun)


def _is_ours(name: str) -> bool:
    return os.environ.get(name) == os.environ.get("LOKY_MAX_CPU_COUNT")


def _amend_joblib(module: Any) -> None:
    backend = module.ParallelBackendBase
    prepare = backend._prepare_worker_env

    def _prepare_worker_env(self: Any, n_jobs: int) -> Any:
        variables = prepare(self, n_jobs)
        if self.inner_max_num_threads is None:
            part = str(max(module.cpu_count() // n_jobs, 1))
            variables.update({name: part for name in self.MAX_NUM_THREADS_VARS if _is_ours(name)})
        return variables

    backend._prepare_worker_env = _prepare_worker_env


def _amend_torchrun(module: Any) -> None:  # noqa: ARG001
    if _is_ours("OMP_NUM_THREADS"):
        del os.environ["OMP_NUM_THREADS"]
