"""A run read back from a store: the home's own, and one behind a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import BisError, RunNotFoundError
from bis.home import Home
from bis.repeat.comparison import Verdict, compare_runs
from bis.repeat.comparison.artifacts import AbsentContent
from bis.repeat.recorded import RecordedRun
from bis.server.loopback import LoopbackServer
from bis.tracking import Metric, Param, Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["in the home", "behind a server"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Each kind of store."""
    home = Home(tmp_path / "home")
    local = open_store(home)
    if request.param == "in the home":
        yield local
    else:
        with LoopbackServer(home.database, home.artifacts) as server:
            monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
            monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token)
            yield open_store(home, server.url)
    local.close()


def test_a_run_comes_back_with_all_it_logged(store: Store) -> None:
    run_id = store.create_run("0").info.run_id
    points = [Metric("loss", value, 1000 + i, i) for i, value in enumerate((0.5, 0.25, float("nan")))]
    store.log_batch(run_id, points, [Param("p", "1")])
    store.log_text(run_id, '{"x": 1}', "deep/er/x.json")
    store.log_text(run_id, '{"exit_code": 0, "directory": "/p"}', "bis/record.json")
    with RecordedRun.load(store, run_id) as recorded:
        assert recorded.histories["loss"].values[:2].tolist() == [0.5, 0.25]
        assert recorded.histories["loss"].steps.tolist() == [0, 1, 2]
        assert list(recorded.artifacts) == ["deep/er/x.json"]
        assert recorded.artifacts["deep/er/x.json"].size_bytes == 8
        assert recorded.record == {"exit_code": 0, "directory": "/p"}
        assert recorded.plan is None
        assert compare_runs(recorded, recorded).verdict is Verdict.IDENTICAL


def test_what_was_downloaded_goes_with_the_run(store: Store) -> None:
    run_id = store.create_run("0").info.run_id
    store.log_text(run_id, "1", "x.txt")
    recorded = RecordedRun.load(store, run_id)
    kept = recorded.artifacts["x.txt"]
    assert not isinstance(kept, AbsentContent)
    with kept.open() as file:
        place, content = file.name, file.read()
    assert content == b"1"
    recorded.close()
    from pathlib import Path

    assert Path(place).exists() is (store.uri.startswith("sqlite"))


def test_a_run_with_nothing_is_a_run(store: Store) -> None:
    with RecordedRun.load(store, store.create_run("0").info.run_id) as recorded:
        assert (recorded.histories, recorded.artifacts, recorded.record, recorded.plan) == (
            {},
            {},
            None,
            None,
        )
        assert recorded.output_files == ()


def test_a_run_that_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(RunNotFoundError):
        RecordedRun.load(store, "f" * 32)


@pytest.mark.parametrize("record", ["{ half", "[]", '{"files": 1}', '{"files": [1]}', '{"files": [{}]}'])
def test_a_damaged_record_is_said_and_is_no_record(store: Store, record: str) -> None:
    run_id = store.create_run("0").info.run_id
    store.log_text(run_id, record, "bis/record.json")
    store.log_text(run_id, "{ half", "bis/plan.json")
    with RecordedRun.load(store, run_id) as recorded:
        assert recorded.record is None
        assert recorded.notes == ("bis/record.json cannot be read",)
        assert recorded.plan_document == {}
        with pytest.raises(BisError):
            _ = recorded.plan
