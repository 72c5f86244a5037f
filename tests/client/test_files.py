"""Artifacts, pictures, tables: what lies in the store afterwards."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
import yaml

from bis.client.artifacts import checked_path
from bis.client.errors import RefusedError
from bis.client.tables import _appended, _table
from mlflow_clients import LATEST, client_python
from seeded_environments import stack_python

if TYPE_CHECKING:
    from client.conftest import Tracked


def test_files_folders_and_texts_are_kept(tracked: Tracked) -> None:
    folder = tracked.directory / "out" / "deep"
    folder.mkdir(parents=True)
    (folder / "ü b.bin").write_bytes(b"\0" * 70_000)
    (folder / "empty").touch()
    tracked.script(
        """
        import bis, os
        with bis.start_run():
            bis.log_artifact("out/deep/empty")
            bis.log_artifact("out/deep", "as folder")
            bis.log_artifacts("out", "all")
            bis.log_text("é", "a/b.txt")
            bis.log_text("again", "a/b.txt")
            bis.log_dict({"a": [1, None], "b": {1, }}, "d.json")
            bis.log_dict({"a": [1, None]}, "d.yml")
            for wrong in (lambda: bis.log_artifact("absent"), lambda: bis.log_artifacts("out/deep/empty")):
                try:
                    wrong()
                except OSError as error:
                    print(type(error).__name__)
        """
    )
    (run,) = tracked.runs()
    assert tracked.artifact(run, "empty") == b""
    assert len(tracked.artifact(run, "as folder/deep/ü b.bin")) == 70_000
    assert len(tracked.artifact(run, "all/deep/ü b.bin")) == 70_000
    assert tracked.artifact(run, "a/b.txt") == b"again"
    assert json.loads(tracked.artifact(run, "d.json")) == {"a": [1, None], "b": "{1}"}
    assert yaml.safe_load(tracked.artifact(run, "d.yml")) == {"a": [1, None]}


@pytest.mark.parametrize("path", ["..", "a/../b", "/a", "a\\b", "a\0"])
def test_a_path_stays_below_the_run(path: str) -> None:
    with pytest.raises(RefusedError):
        checked_path(path)


def test_a_path_is_made_simple() -> None:
    assert checked_path("./a//b/") == "a/b"


NUMPY = """
import bis, numpy as np
rng = np.random.RandomState(0)
with bis.start_run():
    images = {
        "grey": rng.randint(0, 256, (5, 7)).astype("uint8"),
        "one": rng.randint(0, 256, (5, 7, 1)),
        "rgb": rng.randint(0, 256, (5, 7, 3)),
        "rgba": rng.randint(0, 256, (5, 7, 4)).astype("uint8")[::-1],
        "bool": rng.randint(0, 2, (5, 7)).astype(bool),
        "float": rng.rand(5, 7, 3),
        "wide": rng.rand(5, 7) * 20 - 10,
        "flat": np.full((2, 2), 7.0),
    }
    for name, image in images.items():
        bis.log_image(image, name + ".png")
        bis.log_dict({"shape": image.shape, "first": float(image.flat[0])}, name + ".json")
    bis.log_image(images["rgb"], key="a/series", step=3)
    bis.log_metrics({"np": np.float32(0.5), "n": np.int64(3), "array": np.array(2.5)})
    bis.log_table({"a": np.arange(2), "b": [np.float64("nan"), np.bool_(True)]}, "t.json")
    bis.log_dict({"a": np.arange(2)}, "np.json")
    for wrong in (np.zeros((2, 2, 2)), np.array([["a"]]), np.full((2, 2), 300), np.zeros((0, 2)), "text"):
        try:
            bis.log_image(wrong, "no.png")
        except (TypeError, ValueError) as error:
            print(error)
"""


@pytest.mark.parametrize("stack", ["3.7", "3.8", "3.13"])
def test_arrays_are_kept_as_pictures_without_an_imaging_library(stack: str, tracked: Tracked) -> None:
    out, said = tracked.script(NUMPY, python=stack_python(stack))
    (run,) = tracked.runs()
    channels = {"grey": 1, "one": 1, "rgb": 3, "rgba": 4, "bool": 1, "float": 3, "wide": 1, "flat": 1}
    for name, number in channels.items():
        height, width, pixels = decoded(tracked.artifact(run, f"{name}.png"), number)
        told = json.loads(tracked.artifact(run, f"{name}.json"))
        assert [height, width] == told["shape"][:2]
        if name in ("grey", "one", "rgb", "rgba"):
            assert pixels[0] == told["first"]
        if name == "float":
            assert pixels[0] == int(told["first"] * 255)
    assert set(decoded(tracked.artifact(run, "bool.png"), 1)[2]) == {0, 255}
    wide = decoded(tracked.artifact(run, "wide.png"), 1)[2]
    assert (min(wide), max(wide)) == (0, 255)
    assert len(out.splitlines()) == 5
    assert said.count("brought into that range") == 2
    assert run["metrics"] == {"np": 0.5, "n": 3, "array": 2.5}
    assert json.loads(tracked.artifact(run, "t.json")) == {
        "columns": ["a", "b"],
        "data": [[0, None], [1, True]],
    }
    assert json.loads(tracked.artifact(run, "np.json")) == {"a": [0, 1]}
    assert run["tags"]["mlflow.loggedImages"] == "True"


def decoded(data: bytes, channels: int) -> tuple[int, int, bytes]:
    """Height, width and pixels of a PNG whose rows have no filter."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    assert (bits, {0: 1, 2: 3, 6: 4}[colour]) == (8, channels)
    begin = data.index(b"IDAT")
    raw = zlib.decompress(data[begin + 4 : begin + 4 + struct.unpack(">I", data[begin - 4 : begin])[0]])
    stride = width * channels + 1
    assert set(raw[::stride]) == {0}
    return height, width, b"".join(raw[i + 1 : i + stride] for i in range(0, len(raw), stride))


RICH = """
import warnings; warnings.simplefilter("ignore")
import io, json, bis, numpy as np, pandas as pd, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt, PIL.Image
with bis.start_run() as run:
    array = np.arange(60, dtype="uint8").reshape(4, 5, 3)
    bis.log_image(array, "a.png")
    bis.log_image(PIL.Image.fromarray(array), "pil.png")
    bis.log_image(array, "a.jpg")
    bis.log_image(array, key="series", step=1)
    figure = plt.figure()
    plt.plot([1, 2])
    bis.log_figure(figure, "f/plot.png")
    bis.log_figure(figure, "plot.svg", save_kwargs={"bbox_inches": "tight"})
    bis.log_table(pd.DataFrame({"a": [1, 2], "t": pd.to_datetime(["2024-01-01", None])}), "t.json")
    bis.log_table({"a": [3], "c": [0.5]}, "t.json")
    bis.log_metric("m", 2)
frame = bis.search_runs()
print(json.dumps([list(frame.columns)[:6], float(frame["metrics.m"][0]), str(frame["start_time"].dtype), len(frame)]))
class Plotly:
    def to_html(self, **options): return "<b>" + json.dumps(options)
    def to_image(self, format): return format.encode()
bis.log_figure(Plotly(), "p.html")
bis.log_figure(Plotly(), "p.svg")
try:
    bis.log_figure(object(), "p.svg")
except TypeError as error:
    print(error)
"""


def test_figures_images_and_frames_of_the_usual_libraries_are_kept(tracked: Tracked) -> None:
    python = client_python(LATEST)
    out, _ = tracked.script(RICH, python=python)
    run, after = tracked.runs()
    columns, value, kind, number = json.loads(out.splitlines()[0])
    assert columns == ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]
    assert (value, number) == (2, 1)
    assert kind.startswith("datetime64[")
    assert json.loads(tracked.artifact(run, "t.json")) == {
        "columns": ["a", "t", "c"],
        "data": [[1, "2024-01-01T00:00:00.000", None], [2, None, None], [3, None, 0.5]],
    }
    assert tracked.artifact(run, "f/plot.png").startswith(b"\x89PNG")
    assert b"<svg" in tracked.artifact(run, "plot.svg")
    assert tracked.artifact(after, "p.html") == b'<b>{"include_plotlyjs": "cdn"}'
    check = f"""
        import io, numpy as np, PIL.Image, pathlib
        root = pathlib.Path({str(tracked.directory)!r}) / "artifacts" / {run["info"]["artifact_uri"][18:]!r}
        array = np.arange(60, dtype="uint8").reshape(4, 5, 3)
        for name in ("a.png", "pil.png"):
            assert (np.asarray(PIL.Image.open(root / name)) == array).all(), name
        assert PIL.Image.open(root / "a.jpg").size == (5, 4)
        names = sorted(file.name for file in (root / "images").iterdir())
        assert len(names) == 2 and all(name.startswith("series+step+1+timestamp+") for name in names), names
        assert names[0].endswith("+compressed.webp") or names[1].endswith("+compressed.webp")
    """
    tracked.script(check, python=python)


def test_mlflow_reads_the_tables_of_bis(tracked: Tracked) -> None:
    tracked.script(
        """
        import bis, json
        with bis.start_run():
            bis.log_table({"a": [1, 2]}, "t.json")
        import mlflow
        assert list(mlflow.load_table("t.json")["a"]) == [1, 2]
        """,
        python=client_python(LATEST),
        MLFLOW_EXPERIMENT_ID="0",
        MLFLOW_DISABLE_TELEMETRY="true",
    )


def test_rows_columns_and_a_single_row_are_tables() -> None:
    assert _table({"a": [1, 2], "b": "x"}) == (["a", "b"], [[1, "x"], [2, "x"]])
    assert _table({"a": 1, "b": "x"}) == (["a", "b"], [[1, "x"]])
    assert _table([{"a": 1}, {"b": 2}]) == (["a", "b"], [[1, None], [None, 2]])
    assert _table([]) == ([], [])
    with pytest.raises(ValueError, match="a: 2, b: 1"):
        _table({"a": [1, 2], "b": [1]})
    with pytest.raises(TypeError):
        _table([1])


def test_a_table_grows_by_rows_and_by_columns() -> None:
    before = {"columns": ["a"], "data": [[1]]}
    assert _appended(before, ["b", "a"], [[2, 3]]) == (["a", "b"], [[1, None], [3, 2]])
