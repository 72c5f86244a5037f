"""The layers of a run that can decide its result, each as facts with a digest.

The table ``LAYERS`` is in the order in which a difference is most telling. ``restored_by`` names the layers of a Plan
that put one back (``bis.plans.layers.with_layers``), so that a cause can be found by experiment as well.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bis.tracking import tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bis.repeat.recorded import RecordedRun

Facts = dict[str, str]

_NUMERIC_PREFIXES = (
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "KMP_",
    "NPY_",
    "CUDA_",
    "NCCL_",
    "TF_",
    "XLA_",
    "JAX_",
    "TORCH_",
)
_NUMERIC_NAMES = frozenset(
    {"GOTO_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"}
    | {
        "NUMEXPR_MAX_THREADS",
        "NUMBA_NUM_THREADS",
        "LOKY_MAX_CPU_COUNT",
        "RAYON_NUM_THREADS",
        "POLARS_MAX_THREADS",
    }
    | {"GLIBC_TUNABLES", "ATEN_CPU_CAPABILITY", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE"}
    | {"FLAX_USE_FLAX_RNG"}
)
_SEEDING_NAMES = frozenset({"PYTHONHASHSEED"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Layer:
    """One layer of one run; ``facts`` is None when nothing of it was recorded."""

    name: str
    title: str
    facts: Facts | None
    restored_by: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str | None:
        """SHA-256 over the facts; None when there are none."""
        if self.facts is None:
            return None
        text = json.dumps(self.facts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def layers_of(recorded: RecordedRun) -> tuple[Layer, ...]:
    """The layers of a run, the most telling first."""
    return tuple(Layer(name, title, read(recorded), by) for name, title, read, by in LAYERS)


def _source(recorded: RecordedRun) -> Facts | None:
    source = recorded.plan_document.get("source") or {}
    words = recorded.run.tags
    tree = source.get("tree") or words.get(tags.SOURCE_TREE)
    if tree:  # the tree decides; which commit it is of, or whether of one, does not
        return _plain({"tree": tree, "subdirectory": source.get("subdirectory")})
    commit = source.get("commit") or words.get("mlflow.source.git.commit")
    return _plain({"commit": commit}) if commit else None


def _parameters(recorded: RecordedRun) -> Facts | None:
    parameters = recorded.plan_document.get("parameters")
    inputs = recorded.plan_document.get("inputs") or {}
    if parameters is None:
        return dict(recorded.run.params) or None
    local = inputs.get("local") or {}  # what lies at a path decides, not the path
    return {name: str(value) for name, value in parameters.items() if name not in local}


def _command(recorded: RecordedRun) -> Facts | None:
    plan = recorded.plan_document
    if not plan:
        return _plain({"entry point": recorded.run.tags.get("mlflow.project.entryPoint")}) or None
    extra = " ".join(map(str, plan.get("extra") or ()))
    return _plain(
        {"entry point": plan.get("entry_point"), "command": plan.get("template"), "appended": extra}
    )


def _inputs(recorded: RecordedRun) -> Facts | None:
    declared = recorded.plan_document.get("inputs") or {}
    facts: Facts = {}
    for name, path in (declared.get("in_tree") or {}).items():
        facts[f"{name} (in the source)"] = str(path)
    for name, uri in (declared.get("downloads") or {}).items():
        facts[f"{name} (fetched)"] = str(uri)
    for used in recorded.run.datasets:
        facts[f"dataset {used.dataset.name}"] = used.dataset.digest
    record = recorded.record or {}
    for entry in record.get("files") or ():
        if entry.get("access") == "read" and entry.get("place") in ("declared", "undeclared"):
            facts[_input_name(recorded, entry, declared.get("local") or {})] = _content(entry)
    if not facts and "files" not in record and not recorded.plan_document:
        return None
    return facts


def _input_name(recorded: RecordedRun, entry: Mapping[str, Any], local: Mapping[str, str]) -> str:
    """A name that is the same on another machine: by the parameter, or by the place below the run's directory."""
    path, parameter = str(entry["path"]), entry.get("parameter")
    if not parameter:
        return recorded.relative(path)
    inside = path.removeprefix(str(local.get(parameter, path))).strip("/")
    return f"{parameter}/{inside}" if inside and inside != path.strip("/") else str(parameter)


def _content(entry: Mapping[str, Any]) -> str:
    if entry.get("sha256"):
        return f"sha256 {str(entry['sha256'])[:16]}, {entry.get('size')} bytes"
    return "not hashed" if entry.get("size") is None else f"not hashed, {entry['size']} bytes"


def _environment(recorded: RecordedRun) -> Facts | None:
    lock = recorded.plan_document.get("environment")
    if not lock:
        return None
    from bis.environments import Lock

    facts: Facts = {"environment manager": str(lock.get("manager")), "platform": str(lock.get("platform"))}
    facts.update({f"option {option}": "given" for option in lock.get("options") or ()})
    facts.update({f"local package {each['path']}": each["digest"] for each in lock.get("local") or ()})
    facts.update({f"variable {name}": value for name, value in lock.get("variables") or ()})
    try:
        parsed = Lock.from_dict(lock)
    except (ValueError, TypeError):  # of a later format: as a whole
        return {**facts, "lock": hashlib.sha256(json.dumps(lock, sort_keys=True).encode()).hexdigest()}
    facts.update(parsed.packages)
    files = "\n".join((parsed.requirements, parsed.unhashed, *parsed.deciding_conda, parsed.renv))
    hashes = hashlib.sha256(files.encode()).hexdigest()
    return {**facts, "files of the packages": hashes}


def _interpreter(recorded: RecordedRun) -> Facts | None:
    lock = recorded.plan_document.get("environment") or {}
    python = lock.get("python") or recorded.run.tags.get(tags.PYTHON)
    if not python and lock.get("python") == "":  # that of the image, or none at all
        return {}
    return {"Python": str(python)} if python else None


def _fingerprint(recorded: RecordedRun) -> Facts | None:
    record = recorded.record or {}
    host = record.get("host") or {}
    names = ("machine", "cpu_model", "cpu_flags_sha256", "cpu_count", "glibc")
    facts = _plain({name: host.get(name) for name in names})
    for name, values in _libraries(host.get("blas") or ()).items():
        facts[name] = ", ".join(sorted(values))
    if isinstance(record.get("threads"), dict):
        facts |= _plain({f"{name} threads": count for name, count in record["threads"].items()})
    gpu = host.get("gpu")
    if gpu:
        facts["GPU"] = json.dumps(gpu, sort_keys=True)
    facts |= {name: value for name, value in _variables_set(recorded).items() if _is_numeric(name)}
    return facts or None


def _libraries(entries: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Version, kernel and threads of the numeric libraries; one may be loaded more than once."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        for what in ("version", "kernel", "threads"):
            if entry.get(what) is not None:
                found.setdefault(f"{entry.get('library')} {what}", set()).add(str(entry[what]))
    return found


def _seed(recorded: RecordedRun) -> Facts | None:
    plan = recorded.plan_document
    facts = _plain({"seed": plan.get("seed"), "level": plan.get("level")})
    facts |= {name: value for name, value in _variables_set(recorded).items() if name in _SEEDING_NAMES}
    if "addresses_fixed" in (recorded.record or {}) and facts:
        facts["address randomization"] = "off" if (recorded.record or {})["addresses_fixed"] else "on"
    return facts or None


def _variables(recorded: RecordedRun) -> Facts | None:
    variables = recorded.plan_document.get("variables")
    if variables is None:
        return None
    facts = {
        name: value
        for name, value in _variables_set(recorded).items()
        if name not in _SEEDING_NAMES and not _is_numeric(name)
    }
    facts |= dict.fromkeys(variables.get("removed") or (), "not handed down")
    return facts | dict.fromkeys(variables.get("secret") or (), "a secret, known by name only")


def _network(recorded: RecordedRun) -> Facts | None:
    record = recorded.record or {}
    if "network" not in record:
        return None
    facts: Facts = {}
    for entry in record["network"] or ():
        if entry.get("host") in _LOOPBACK:
            continue
        urls = ", ".join(entry.get("urls") or ())
        facts[str(entry.get("host"))] = urls or f"port {entry.get('port')}"
    return facts


def _host(recorded: RecordedRun) -> Facts | None:
    host = (recorded.record or {}).get("host") or {}
    return _plain({name: host.get(name) for name in ("system", "release")}) or None


def _variables_set(recorded: RecordedRun) -> Facts:
    variables = (recorded.plan_document.get("variables") or {}).get("set") or {}
    return {name: str(value) for name, value in variables.items()}


def _is_numeric(name: str) -> bool:
    return name in _NUMERIC_NAMES or name.startswith(_NUMERIC_PREFIXES)


def _plain(facts: Mapping[str, Any]) -> Facts:
    """The facts that there are, as texts."""
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}


LAYERS: tuple[tuple[str, str, Callable[[RecordedRun], Facts | None], tuple[str, ...]], ...] = (
    ("source", "the source", _source, ("source",)),
    ("parameters", "parameters", _parameters, ("parameters",)),
    ("command", "the command", _command, ("command",)),
    ("inputs", "what the run read", _inputs, ("inputs",)),
    ("environment", "packages", _environment, ("environment",)),
    ("interpreter", "the interpreter", _interpreter, ("interpreter",)),
    ("fingerprint", "threads, kernels, processor", _fingerprint, ("variables",)),
    ("seed", "seed and level", _seed, ("seed", "variables")),
    ("variables", "environment variables", _variables, ("variables",)),
    ("network", "hosts and URLs, which nothing pins", _network, ()),
    ("host", "the system", _host, ()),
)
"""Name, title, what reads its facts, and the layers of a Plan that put it back."""
