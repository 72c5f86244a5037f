"""Seeds the random number generators that a program has left unseeded, each process by its place in the run.

What a program seeds itself is never touched, in that process and its forks. Entropy for security (``os.urandom``,
``secrets``, ``uuid4``, TLS, the names of temporary files) stays the system's: only the call with which NumPy seeds its
own generators is answered here. Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os
import sys
from _random import Random as _Stream

import bis_lineage
import bis_tasks
from bis_hooks import after

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_seed = ""
_streams: dict[str, _Stream] = {}
_seeded: list[str] = []
_theirs: set[str] = set()
"""Generators whose state the program has set itself: they are its own from then on."""
_torch_seed = -1
"""What PyTorch's generator was seeded with here; it remembers its seed, so another one is the program's."""


def install() -> None:
    """Seed each library as it is imported, in a process of a run at the levels ``seed`` and ``strict``."""
    global _seed
    if os.environ.get("BIS_LEVEL") not in ("seed", "strict") or not os.environ.get("BIS_SEED"):
        return
    _seed = os.environ["BIS_SEED"]
    bis_lineage.listen(_begin_again)
    bis_tasks.install(_begin_again)
    after("random", _amend_random)
    after("tempfile", _amend_tempfile)
    after("numpy.random.bit_generator", _amend_bit_generator)
    after("numpy.random", _amend_numpy)
    after("torch", _amend_torch)
    after("tensorflow", _amend_tensorflow)


def seeded() -> list[str]:
    """The libraries that were seeded in this process so far; one that the program seeded itself has ``(program)``."""
    return [name + " (program)" if _is_theirs(name) else name for name in _seeded]


def lineage() -> str:
    """The place of this process in the tree of processes."""
    return bis_lineage.current()


def _draw(name: str, bits: int) -> int:
    """The next number of the stream ``name``, which is this process's own.

    The stream is a Mersenne Twister, whose seeding takes in every bit of the key (init_by_array).
    """
    stream = _streams.get(name)
    if stream is None:
        key = "bis 1 {} {} {}".format(_seed, bis_lineage.current(), name)
        made = _Stream()
        made.seed(int.from_bytes(key.encode(), "big"))  # 3.8 and 3.9 take the hash of what the type is given
        stream = _streams.setdefault(name, made)  # another thread may have been quicker
    return stream.getrandbits(bits)


def _begin_again() -> None:
    """This process has another place than its generators were seeded for."""
    _streams.clear()
    _reseed_random()
    _reseed_numpy()
    _reseed_torch()


def _is_theirs(name: str) -> bool:
    if name == "torch":
        return bool(_module("torch").default_generator.initial_seed() != _torch_seed)
    return name in _theirs


def _amend_random(module: Any) -> None:
    """The global generator, and each ``Random()`` that is made without a seed."""
    kind, shared = module.Random, module._inst
    seed_it, set_state = kind.seed, kind.setstate

    def seed(self: Any, a: Any = None, version: int = 2) -> None:
        if self is shared:
            _theirs.discard("random") if a is None else _theirs.add("random")
        seed_it(self, _draw("random.Random", 128) if a is None else a, version)

    def setstate(self: Any, state: Any) -> None:
        if self is shared:
            _theirs.add("random")
        set_state(self, state)

    kind.seed, kind.setstate = _as(seed_it, seed), _as(set_state, setstate)
    module.seed, module.setstate = shared.seed, shared.setstate
    _seeded.append("random")
    _reseed_random()
    # Python itself seeds this generator anew in a fork, seeded by the program or not, and was registered before.
    os.register_at_fork(after_in_child=_seed_forked_random)


def _seed_forked_random() -> None:
    _theirs.discard("random")
    _reseed_random()


def _reseed_random() -> None:
    if "random" in _seeded and "random" not in _theirs:
        shared = _module("random")._inst
        shared.seed(_draw("random", 128))
        _theirs.discard("random")


def _amend_tempfile(module: Any) -> None:
    """Names of temporary files stay random, or two runs would wait for each other's."""
    from random import SystemRandom

    if hasattr(module, "_Random"):
        module._Random = SystemRandom


def _amend_bit_generator(module: Any) -> None:
    """NumPy 1.17 and later ask ``randbits`` for what seeds every generator without a seed, the global one too."""
    if hasattr(module, "randbits"):
        module.randbits = _numpy_entropy


def _numpy_entropy(bits: int) -> int:
    return _draw("numpy", bits)


def _amend_numpy(module: Any) -> None:
    for name in ("seed", "set_state", "set_bit_generator"):
        original = getattr(module, name, None)
        if original is not None:
            noting = _noting(original)
            noting.__module__, noting.__qualname__ = module.__name__, name  # where pickle finds it
            setattr(module, name, noting)
            if getattr(module.mtrand, name, None) is original:
                setattr(module.mtrand, name, noting)
    _seeded.append("numpy")
    _streams.pop("numpy", None)  # what the import drew: a worker may import it before or within a task
    _reseed_numpy()


def _noting(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that sets the state of NumPy's global generator, and is seen to do so."""

    def noting(*arguments: Any, **keywords: Any) -> Any:
        answer = original(*arguments, **keywords)
        given = [*arguments, *keywords.values()]
        _theirs.discard("numpy") if not given or given[0] is None else _theirs.add("numpy")
        return answer

    noted: Callable[..., Any] = _as(original, noting)
    return noted


def _reseed_numpy() -> None:
    if "numpy" not in _seeded or "numpy" in _theirs:
        return
    shared = _module("numpy.random").mtrand._rand
    lock = getattr(getattr(shared, "_bit_generator", None), "lock", None)
    if lock is not None and not lock.acquire(False):
        return  # a fork while another thread drew: the lock is never free here, for the program neither
    if lock is not None:
        lock.release()
    shared.seed([_draw("numpy.random", 32) for _ in range(4)])


def _amend_torch(module: Any) -> None:
    if not hasattr(module, "default_generator"):
        return
    global _torch_seed
    _seeded.append("torch")
    _torch_seed = _draw("torch", 63)
    module.manual_seed(_torch_seed)  # all devices
    if os.environ["BIS_LEVEL"] == "strict" or getattr(module.version, "cuda", None):
        _make_torch_deterministic(module)


def _make_torch_deterministic(module: Any) -> None:
    """Deterministic kernels where there are any, and a warning, no error, where there is none."""
    switch = getattr(module._C, "_set_deterministic_algorithms", None)
    if switch is not None:  # the public function imports the compiler for it
        try:
            switch(True, warn_only=True)
        except TypeError:  # before 1.11 it could only raise
            pass
    module.backends.cudnn.deterministic = True
    module.backends.cudnn.benchmark = False


def _reseed_torch() -> None:
    """In a child: the processor's generator alone, since a fork may not touch a device."""
    global _torch_seed
    if "torch" in _seeded and not _is_theirs("torch"):
        _torch_seed = _draw("torch", 63)
        _module("torch").default_generator.manual_seed(_torch_seed)


def _amend_tensorflow(module: Any) -> None:
    """TensorFlow derives the seed of each operation from this one; Keras asks ``random``, which is seeded."""
    try:
        module.random.set_seed(_draw("tensorflow", 31))
    except AttributeError:  # 1.x
        module.compat.v1.set_random_seed(_draw("tensorflow", 31))
    _seeded.append("tensorflow")


def _module(name: str) -> Any:
    return sys.modules[name]


def _as(original: Any, replacement: Any) -> Any:
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(replacement, name, getattr(original, name, None))
    replacement.__wrapped__ = original
    return replacement
