"""Unmodified scripts of the libraries that people use come out the same again, release after release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from execution.seeding import run_script
from seeded_environments import SKLEARN, stack_python

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NUMPY = """
    import numpy as np
    print(np.random.rand(3).tolist())
    print(np.random.default_rng().random(3).tolist(), np.random.default_rng().random(3).tolist())
    print(np.random.RandomState().rand(3).tolist(), np.random.Generator(np.random.PCG64()).random())
    np.random.seed()
    print(np.random.permutation(10).tolist())
"""

SELF_SEEDED = """
    import numpy as np
    np.random.seed(7)
    print(np.random.rand(), np.random.default_rng(1).random(), np.random.RandomState(2).rand())
    state = np.random.get_state()
    print(np.random.rand())
    np.random.set_state(state)
    print(np.random.rand(), np.random.seed.__name__)
    import os, sys
    for _ in range(2):
        sys.stdout.flush()
        if os.fork() == 0:
            print(np.random.rand(), flush=True)
            os._exit(0)
        os.wait()
"""

FOREST = """
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y)
    model = RandomForestClassifier(n_estimators=20, n_jobs=2).fit(x_train, y_train)
    print(model.score(x_test, y_test), y_test.tolist(), model.feature_importances_.tolist())
"""

WORKERS = """
    import os, random, time
    import numpy as np
    from joblib import Parallel, delayed

    def work(number):
        time.sleep(random.SystemRandom().random() / 100)
        return number, np.random.rand(), np.random.default_rng().random(), random.random()

    def threads():
        return os.environ.get("OMP_NUM_THREADS")

    if __name__ == "__main__":
        for backend in ("loky", "multiprocessing"):
            drawn = Parallel(n_jobs=2, backend=backend)(delayed(work)(number) for number in range(8))
            print(drawn)
            assert len({value for _, *values in drawn for value in values}) == 24, drawn
        print(Parallel(n_jobs=2)(delayed(threads)() for _ in range(2)))
"""

FORKS = """
    import multiprocessing
    import numpy as np
    shared = np.random.rand()

    def work(queue):
        queue.put((np.random.rand(), np.random.default_rng().random()))

    if __name__ == "__main__":
        print(shared)
        for method in ("fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            queue = context.SimpleQueue()
            workers = [context.Process(target=work, args=(queue,)) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            drawn = sorted(queue.get() for _ in workers)
            print(drawn)
            assert len({value for pair in drawn for value in pair}) == 4, drawn
"""

KMEANS = """
    import hashlib
    import numpy as np
    from sklearn.cluster import KMeans
    x = np.random.RandomState(0).rand(20000, 10)
    fits = [KMeans(n_clusters=8, n_init=1, random_state=0, max_iter=20).fit(x) for _ in range(6)]
    print(*sorted({hashlib.sha256(fit.cluster_centers_.tobytes()).hexdigest() for fit in fits}))
"""

BOOSTING = """
    import hashlib
    from lightgbm import LGBMClassifier
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from xgboost import XGBClassifier
    x_train, x_test, y_train, y_test = train_test_split(*load_breast_cancer(return_X_y=True))
    for model in (
        XGBClassifier(n_estimators=20, subsample=0.5, colsample_bytree=0.5),
        LGBMClassifier(n_estimators=20, subsample=0.5, subsample_freq=1, colsample_bytree=0.5, verbose=-1),
    ):
        print(hashlib.sha256(model.fit(x_train, y_train).predict_proba(x_test).tobytes()).hexdigest())
"""

TORCH = """
    import multiprocessing, random
    import numpy as np
    import torch

    class Samples(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, index):
            return torch.tensor([index, torch.rand(1).item(), random.random(), np.random.rand()])

    def work(queue):
        queue.put(torch.rand(1).item())

    if __name__ == "__main__":
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters())
        loader = torch.utils.data.DataLoader(Samples(), batch_size=4, shuffle=True, num_workers=2)
        for batch in loader:
            loss = model(batch).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(batch.tolist(), loss.item())
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        workers = [context.Process(target=work, args=(queue,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        drawn = sorted(queue.get() for _ in workers)
        print(drawn)
        assert len({*drawn, torch.rand(1).item()}) == 3, drawn
"""

SELF_SEEDED_TORCH = """
    import os, sys
    import torch
    torch.manual_seed(3)
    print(torch.rand(1).item())
    generator = torch.Generator().manual_seed(4)
    print(torch.rand(1, generator=generator).item())
    sys.stdout.flush()
    if os.fork() == 0:
        print(torch.rand(1).item(), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize(
    "script", [NUMPY, FOREST, WORKERS, FORKS], ids=["numpy", "forest", "joblib", "forks"]
)
@pytest.mark.parametrize("stack", SKLEARN)
def test_an_unseeded_script_comes_out_the_same_again(stack: str, script: str, tmp_path: Path) -> None:
    python = stack_python(stack)
    first = run_script(python, script, tmp_path)
    assert first == run_script(python, script, tmp_path)
    assert first != run_script(python, script, tmp_path, seed=1)


@pytest.mark.parametrize("stack", SKLEARN)
def test_a_script_that_seeds_numpy_itself_is_as_without_bis_in_its_forks_too(
    stack: str, tmp_path: Path
) -> None:
    python = stack_python(stack)
    without = run_script(python, SELF_SEEDED, tmp_path, level=None)
    assert run_script(python, SELF_SEEDED, tmp_path) == without


def test_each_joblib_worker_has_its_part_of_the_cores(tmp_path: Path) -> None:
    python = stack_python("3.11")
    assert run_script(python, WORKERS, tmp_path).splitlines()[-1] == "['1', '1']"
    users = run_script(python, WORKERS, tmp_path, caller={"OMP_NUM_THREADS": "3"})
    assert users.splitlines()[-1] == "['3', '3']"


def test_the_global_generator_of_a_numpy_before_1_17_is_seeded(tmp_path: Path) -> None:
    script = "import numpy as np; print(np.random.rand(), np.random.randint(1000))"
    python = stack_python("numpy 1.16")
    assert run_script(python, script, tmp_path) == run_script(python, script, tmp_path)


def test_kmeans_with_eight_threads_is_unstable_at_seed_and_identical_at_strict(tmp_path: Path) -> None:
    python, eight = stack_python("3.11"), {"OMP_NUM_THREADS": "8"}
    assert len(run_script(python, KMEANS, tmp_path, caller=eight).split()) > 1
    first, second = (run_script(python, KMEANS, tmp_path, level="strict", caller=eight) for _ in range(2))
    assert first == second
    assert len(first.split()) == 1


@pytest.mark.parametrize("level", ["seed", "strict"])
@pytest.mark.parametrize(("stack", "script"), [("boosting", BOOSTING), ("torch", TORCH)])
def test_boosting_and_pytorch_come_out_the_same_again(
    stack: str, script: str, level: str, tmp_path: Path
) -> None:
    python = stack_python(stack)
    first = run_script(python, script, tmp_path, level=level)  # type: ignore[arg-type]
    assert first == run_script(python, script, tmp_path, level=level)  # type: ignore[arg-type]
    assert first != run_script(python, script, tmp_path, seed=1)


def test_a_script_that_seeds_pytorch_itself_is_as_without_bis_in_its_forks_too(tmp_path: Path) -> None:
    python = stack_python("torch")
    without = run_script(python, SELF_SEEDED_TORCH, tmp_path, level=None)
    assert run_script(python, SELF_SEEDED_TORCH, tmp_path) == without


@pytest.mark.parametrize("stack", SKLEARN)
def test_what_strict_sets_is_taken_by_every_release_without_a_word(stack: str, tmp_path: Path) -> None:
    script = """
        import warnings
        warnings.simplefilter("error", RuntimeWarning)
        import numpy, sklearn.linear_model
        print(sklearn.linear_model.LinearRegression().fit(numpy.eye(3), [1, 2, 3]).coef_.tolist())
    """
    python = stack_python(stack)
    first, second = (run_script(python, script, tmp_path, level="strict") for _ in range(2))
    assert first == second
