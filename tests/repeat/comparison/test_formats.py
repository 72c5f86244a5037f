"""Files with other bytes: what their format says they are worth."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from array import array

import pytest

from bis.repeat.comparison import Bounds, Verdict
from bis.repeat.comparison.formats import compare_files
from bis.repeat.comparison.parquet import NO_PYARROW
from bis.repeat.comparison.tally import Context, Finding
from bis.repeat.comparison.volatile import RunWords

IDS = {"first": "1" * 32, "second": "2" * 32}
CONTEXT = Context(RunWords((IDS["first"], "/home/a/p")), RunWords((IDS["second"], "/tmp/q")))
NEAR = Context(bounds=Bounds(rtol=1e-3))
EQUAL, CLOSE, DIFFERENT = Verdict.EQUAL, Verdict.CLOSE, Verdict.DIFFERENT


def find(name: str, one: bytes | str, other: bytes | str, context: Context = CONTEXT) -> Finding:
    first, second = (data.encode() if isinstance(data, str) else data for data in (one, other))
    return compare_files(name, first, second, context)


MLMODEL = """\
artifact_path: model
flavors:
  sklearn: {{pickled_model: model.pkl, sklearn_version: {version}}}
model_uuid: {uuid}
run_id: {run_id}
signature: {{inputs: '[{{"name": "x", "type": "{type}"}}]'}}
utc_time_created: '{time}'
"""


def mlmodel(**changed: str) -> str:
    facts = {"version": "1.3.2", "uuid": "aa", "run_id": "1" * 32, "type": "double", "time": "2024-05-01"}
    return MLMODEL.format(**{**facts, **changed})


@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        (
            {"uuid": "bb", "run_id": "2" * 32, "time": "2026-01-01"},
            EQUAL,
            "the same values; left aside: model_uuid, run_id, utc_time_created",
        ),
        ({"version": "1.4.0"}, DIFFERENT, "flavors.sklearn.sklearn_version: '1.3.2' and '1.4.0'"),
        ({"type": "long"}, DIFFERENT, "[0].type: 'double' and 'long'"),
    ],
)
def test_an_mlmodel_is_compared_without_ids_and_times(
    changed: dict[str, str], verdict: Verdict, reason: str
) -> None:
    finding = find("model/MLmodel", mlmodel(), mlmodel(**changed))
    assert (finding.verdict, finding.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ('{"a": 1, "b": [1, 2]}', '{ "b": [1, 2],\n"a": 1.0 }', EQUAL),
        ('{"a": 1}', '{"a": 2}', DIFFERENT),
        ('{"a": 1}', '{"a": "1"}', DIFFERENT),
        ('{"a": true}', '{"a": 1}', DIFFERENT),
        ('{"a": null}', "{}", DIFFERENT),
        ("[1, 2]", "[1, 2, 3]", DIFFERENT),
        ('{"fit_time": 1, "x": 2}', '{"fit_time": 3, "x": 2}', EQUAL),
        ('{"created_at": "x"}', "{}", EQUAL),
        (f'["/home/a/p/out", "{IDS["first"]}"]', f'["/tmp/q/out", "{IDS["second"]}"]', EQUAL),
        ('{"a": NaN}', '{"a":  NaN}', EQUAL),
        ("[" * 5 + "1" + "]" * 5, "[ " * 5 + "1" + "]" * 5, EQUAL),
    ],
)  # fmt: skip
def test_json_is_compared_by_value(one: str, other: str, verdict: Verdict) -> None:
    assert find("x.json", one, other).verdict is verdict


def test_json_that_is_none_is_compared_as_text() -> None:
    assert find("x.json", "{ not json", "{ not  json").verdict is EQUAL
    assert find("x.json", "{ not json", "{ not jsno").verdict is DIFFERENT


def test_json_too_deep_for_the_parser_is_no_crash() -> None:
    deep = "[" * 200_000 + "]" * 200_000
    assert find("x.json", deep, deep + " ").verdict in (EQUAL, DIFFERENT)


def test_numbers_in_json_have_the_tolerance() -> None:
    finding = find("x.json", '{"w": [1.0, 2.0]}', '{"w": [1.0, 2.0001]}', NEAR)
    assert (finding.verdict, finding.reason) == (CLOSE, "1 value within the tolerance")
    assert finding.absolute == pytest.approx(1e-4)


def test_long_lists_of_numbers_have_the_tolerance() -> None:
    one, other = json.dumps([i + 1.0 for i in range(500)]), json.dumps([i + 1.0001 for i in range(500)])
    assert find("x.json", one, other, NEAR).verdict is CLOSE
    finding = find("x.json", one, other)
    assert finding.verdict is DIFFERENT
    assert finding.reason.endswith("and 497 more")


def test_json_lines_are_compared_line_by_line() -> None:
    assert (
        find("x.jsonl", '{"a": 1, "time": 1}\n{"a": 2}\n', '{"a": 1, "time": 2}\n{"a": 2}\n').verdict is EQUAL
    )
    assert find("x.jsonl", '{"a": 1}\n', '{"a": 1}\n{"a": 2}\n').verdict is DIFFERENT


def test_yaml_aliases_that_grow_without_end_are_walked_once() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    assert find("x.yaml", "\n".join(lines), "\n".join(lines) + "\n").verdict is EQUAL


def test_yaml_that_would_make_objects_is_not_made() -> None:
    danger = '!!python/object/apply:os.system ["false"]\n'
    assert find("x.yaml", danger, danger + "\n").verdict in (EQUAL, DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("a,b\n1,2\n", "a,b\n1.0,2\n", EQUAL),
        ("a,b\n1,2\n", "a,b\n1,3\n", DIFFERENT),
        ("a,fit_time\n1,2\n", "a,fit_time\n1,3\n", EQUAL),
        ("a;b\n1;x\n", "a;b\n1;y\n", DIFFERENT),
        ("a,b\n1,2\n", "a,b\n1,2\n3,4\n", DIFFERENT),
        ("a,b\n1,2\n", "a,b\n1\n", DIFFERENT),
        ("a,b\r\n1,2\r\n", "a,b\n1,2\n", EQUAL),
        ("x\nnan\n", "x\nNaN\n", EQUAL),
    ],
)
def test_csv_is_compared_cell_by_cell(one: str, other: str, verdict: Verdict) -> None:
    assert find("x.csv", one, other).verdict is verdict


def test_cells_have_the_tolerance_and_say_where_they_differ() -> None:
    assert find("x.csv", "a,b\n1,2\n", "a,b\n1.0001,2\n", NEAR).verdict is CLOSE
    assert find("x.csv", "a,b\n1,2\n", "a,b\n1,3\n").reason == "row 2, b: 2.0 and 3.0"


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("2024-05-01 12:00:01,123 INFO started", "2026-01-31 23:59:59,999 INFO started", EQUAL),
        ("epoch 1 took 12.3s", "epoch 1 took 9.87s", EQUAL),
        ("100 [00:03<00:00, 31.2it/s]", "100 [00:12<00:01, 8.5it/s]", EQUAL),
        (f"run {IDS['first']} in /home/a/p", f"run {IDS['second']} in /tmp/q", EQUAL),
        ("<object at 0x7f12ab34cd56>", "<object at 0x7f00ab34cd00>", EQUAL),
        ("wrote /tmp/tmpab12cd34/x", "wrote /tmp/tmpzz99_x12/x", EQUAL),
        ("Mon May  6 12:00:00 2024", "Wed Jan  1 09:10:11 2025", EQUAL),
        ("loss 0.5", "loss 0.25", DIFFERENT),
        ("accuracy 3", "accuracy 4", DIFFERENT),
        ("hello", "world", DIFFERENT),
        ("a\nb", "a", DIFFERENT),
    ],
)
def test_logs_are_compared_without_times_and_places(one: str, other: str, verdict: Verdict) -> None:
    assert find("train.log", one, other).verdict is verdict


def test_numbers_in_logs_have_the_tolerance() -> None:
    finding = find("train.log", "step 3 loss=1.0000", "step 3 loss=1.0002", NEAR)
    assert finding.verdict is CLOSE
    assert finding.absolute == pytest.approx(2e-4)


def npy(numbers: array[float], shape: tuple[int, ...], dtype: str = "<f8", *, fortran: bool = False) -> bytes:
    header = repr({"descr": dtype, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + numbers.tobytes()


def test_an_array_is_compared_by_its_elements() -> None:
    one, other = npy(array("d", [1, 2, 3, 4]), (2, 2)), npy(array("d", [1, 2, 3, 4.5]), (2, 2))
    finding = find("x.npy", one, other)
    assert (finding.verdict, finding.absolute, finding.reason) == (DIFFERENT, 0.5, "[3]: 4.0 and 4.5")
    assert find("x.npy", one, npy(array("d", [1, 2, 3, 4.0001]), (2, 2)), NEAR).verdict is CLOSE


def test_the_order_and_the_bytes_in_which_an_array_lies_do_not_count() -> None:
    rows = npy(array("d", [1, 2, 3, 4, 5, 6]), (2, 3))
    assert find("x.npy", rows, npy(array("d", [1, 4, 2, 5, 3, 6]), (2, 3), fortran=True)).verdict is EQUAL
    swapped = array("d", [1, 2, 3, 4, 5, 6])
    swapped.byteswap()
    assert find("x.npy", rows, npy(swapped, (2, 3), ">f8")).verdict is EQUAL


def test_arrays_of_other_shape_or_type_differ() -> None:
    one = npy(array("d", [1, 2]), (2,))
    assert (
        find("x.npy", one, npy(array("d", [1, 2]), (2, 1))).reason
        == "the array has the shapes (2,) and (2, 1)"
    )
    assert (
        find("x.npy", one, npy(array("f", [1, 2]), (2,), "<f4")).reason
        == "the array has the types <f8 and <f4"
    )


@pytest.mark.parametrize("cut", [0, 5, 9, 20, 100])
def test_a_damaged_array_is_compared_by_its_bytes(cut: int) -> None:
    one = npy(array("d", range(10)), (10,))
    assert find("x.npy", one, one[:cut]).verdict is DIFFERENT


def zipped(time: tuple[int, int, int, int, int, int], **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, time), data)
    return stream.getvalue()


def test_a_zip_is_compared_by_what_it_holds() -> None:
    array_ = npy(array("d", [1, 2]), (2,))
    one = zipped((2024, 1, 1, 0, 0, 0), x=array_, y=b"1")
    assert find("x.npz", one, zipped((2025, 1, 1, 0, 0, 0), x=array_, y=b"1")).verdict is EQUAL
    other = zipped((2024, 1, 1, 0, 0, 0), x=npy(array("d", [1, 2.5]), (2,)), y=b"1")
    assert find("x.npz", one, other).reason == "x: [1]: 2.0 and 2.5"
    assert find("x.npz", one, zipped((2024, 1, 1, 0, 0, 0), x=array_)).reason == "y is only in the first"


def test_gzip_is_compared_by_what_it_holds() -> None:
    one = gzip.compress(b"a,b\n1,2\n", mtime=1)
    assert find("x.csv.gz", one, gzip.compress(b"a,b\n1,2\n", mtime=2)).verdict is EQUAL
    assert find("x.csv.gz", one, gzip.compress(b"a,b\n1,3\n", mtime=1)).reason == "row 2, b: 2.0 and 3.0"


def test_what_unpacks_to_far_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.repeat.comparison.archives.MOST_BYTES", 1000)
    bomb = gzip.compress(bytes(100_000), mtime=1)
    assert find("x.gz", bomb, gzip.compress(bytes(100_000), mtime=2)).verdict is DIFFERENT


@pytest.mark.parametrize("cut", [5, 30, 60])
def test_a_damaged_archive_is_compared_by_its_bytes(cut: int) -> None:
    whole = zipped((2024, 1, 1, 0, 0, 0), x=b"some content")
    packed = gzip.compress(b"some content")
    assert find("x.zip", whole, whole[:cut]).verdict is DIFFERENT
    assert find("x.gz", packed, packed[: cut // 3]).verdict is DIFFERENT


def png(
    rows: bytes, width: int, height: int, *, colour: int = 2, words: bytes = b"", level: int = 6
) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))]
    parts += [chunk(b"tEXt", words)] if words else []
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [*parts, chunk(b"IDAT", zlib.compress(rows, level)), chunk(b"IEND", b"")]
    )


PIXELS = bytes(range(6)) + bytes(range(100, 106))  # two rows of two pixels


def filtered(pixels: bytes, kind: int) -> bytes:
    """The rows as an encoder filters them, each from the one above and the pixel to the left."""
    length, out = 6, b""
    above = bytes(length)
    for start in range(0, len(pixels), length):
        row, line = pixels[start : start + length], []
        for i, value in enumerate(row):
            left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            guess = left + above[i] - corner
            paeth = min((left, above[i], corner), key=lambda near: abs(guess - near))
            line.append((value - (0, left, above[i], (left + above[i]) // 2, paeth)[kind]) % 256)
        out += bytes([kind, *line])
        above = row
    return out


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_pictures_are_compared_by_their_pixels(kind: int) -> None:
    plain = png(filtered(PIXELS, 0), 2, 2, words=b"Date\x002024")
    assert find("x.png", plain, png(filtered(PIXELS, kind), 2, 2, level=1)).verdict is EQUAL
    changed = PIXELS[:-1] + bytes([PIXELS[-1] + 40])
    finding = find("x.png", plain, png(filtered(changed, kind), 2, 2))
    assert (finding.verdict, finding.reason) == (DIFFERENT, "1 pixels differ (25.00%), by up to 40 of 255")


def test_pictures_of_other_sizes_differ() -> None:
    one = png(filtered(PIXELS, 0), 2, 2)
    assert find("x.png", one, png(filtered(PIXELS[:6], 0), 2, 1)).reason == "2 by 2 and 2 by 1 pixels"


@pytest.mark.parametrize("cut", [4, 20, 45, 60])
def test_a_damaged_picture_is_compared_by_its_bytes(cut: int) -> None:
    one = png(filtered(PIXELS, 0), 2, 2)
    assert find("x.png", one, one[:cut]).verdict is DIFFERENT


def test_a_picture_that_says_it_is_larger_than_it_is_is_no_crash() -> None:
    one, other = png(filtered(PIXELS, 0), 2, 200_000), png(filtered(PIXELS[::-1], 0), 2, 200_000)
    assert find("x.png", one, other).verdict is DIFFERENT


def test_parquet_without_pyarrow_says_why_it_was_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    finding = find("x.parquet", b"PAR1aPAR1", b"PAR1bPAR1")
    assert (finding.verdict, finding.reason) == (DIFFERENT, NO_PYARROW)


def test_parquet_is_compared_by_its_columns() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed beside bis")
    from pyarrow import parquet

    def table(compression: str, **columns: list[object]) -> bytes:
        stream = io.BytesIO()
        parquet.write_table(pyarrow.table(columns), stream, compression=compression)
        return stream.getvalue()

    one = table("snappy", a=[1.0, 2.0], fit_time=[1.0, 2.0])
    assert find("x.parquet", one, table("none", a=[1.0, 2.0], fit_time=[3.0, 2.0])).verdict is EQUAL
    assert (
        find("x.parquet", one, table("none", a=[1.0, 2.5], fit_time=[1.0, 2.0])).reason == "a[1]: 2.0 and 2.5"
    )


def test_what_no_comparer_knows_is_compared_by_its_bytes() -> None:
    finding = find("model.bin", b"\xff\x00\x01", b"\xff\x00\x02")
    assert (finding.verdict, finding.reason) == (DIFFERENT, "other bytes; no comparer knows the format")


def test_files_too_large_are_compared_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.repeat.comparison.formats.LARGEST_BYTES", 4)
    assert find("x.json", '{"a": 1}', '{"a":  1}').reason == "other bytes; too large to be compared by value"
