"""Which comparer knows which format: the one table."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bis.repeat.comparison.archives import compare_packed, compare_zip
from bis.repeat.comparison.arrays import MAGIC as NPY_MAGIC
from bis.repeat.comparison.arrays import compare_npy
from bis.repeat.comparison.documents import compare_json, compare_json_lines, compare_yaml
from bis.repeat.comparison.parquet import compare_parquet
from bis.repeat.comparison.pickles import compare_pickle
from bis.repeat.comparison.pictures import MAGIC as PNG_MAGIC
from bis.repeat.comparison.pictures import compare_png
from bis.repeat.comparison.tables import compare_csv
from bis.repeat.comparison.tally import Finding
from bis.repeat.comparison.texts import compare_text
from bis.repeat.comparison.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.repeat.comparison.tally import Context

    Compare = Callable[[bytes, bytes, Context], Finding | None]

LARGEST_BYTES = 1 << 28
"""Files above 256 MB are compared by their bytes alone."""

_DEEPEST = 3  # an archive in an archive in an archive


@dataclass(frozen=True)
class Format:
    """A format, by the names of its files or by how they begin, and what compares two of them."""

    name: str
    patterns: tuple[str, ...]
    compare: Compare | None = None
    magic: tuple[bytes, ...] = ()

    def fits(self, name: str, data: bytes) -> bool:
        """Whether a file of that name and content is likely of this format."""
        return any(fnmatchcase(name, pattern) for pattern in self.patterns) or data.startswith(self.magic)


FORMATS: tuple[Format, ...] = (
    Format("NumPy array", ("*.npy",), compare_npy, (NPY_MAGIC,)),
    Format("PNG", ("*.png",), compare_png, (PNG_MAGIC,)),
    Format("Parquet", ("*.parquet", "*.pq"), compare_parquet, (b"PAR1",)),
    Format("zip", ("*.zip", "*.npz", "*.pt", "*.pth", "*.keras", "*.skops"), magic=(b"PK\x03\x04",)),
    Format(
        "pickle",
        ("*.pkl", "*.pickle", "*.joblib", "*.jbl", "*.cloudpickle", "*.sav"),
        compare_pickle,
        tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6)),
    ),
    Format("compressed", ("*.gz", "*.bz2", "*.xz", "*.z"), magic=(b"\x1f\x8b", b"BZh", b"\xfd7zXZ")),
    Format("MLmodel", ("MLmodel",), compare_yaml),
    Format("JSON", ("*.json", "*.ipynb", "*.geojson"), compare_json),
    Format("JSON lines", ("*.jsonl", "*.ndjson"), compare_json_lines),
    Format("YAML", ("*.yaml", "*.yml"), compare_yaml),
    Format("CSV", ("*.csv", "*.tsv"), compare_csv),
    Format("text", ("*",), compare_text),
)
"""The comparers, tried from the top: the first that fits *and* can read both files decides."""


def compare_files(name: str, first: bytes, second: bytes, context: Context, depth: int = 0) -> Finding:
    """Compare two files by what their format means; by bytes where no format fits."""
    if first == second:
        return Finding(Verdict.IDENTICAL, "")
    if max(len(first), len(second)) > LARGEST_BYTES:
        return Finding(Verdict.DIFFERENT, "other bytes; too large to be compared by value")
    base, unread = name.rpartition("/")[2], ""
    for each in FORMATS:
        if each.fits(base, first) and each.fits(base, second):
            finding = _apply(each, base, first, second, context, depth)
            if finding is not None:
                return finding
            unread = unread or each.name
    if unread in ("", "text"):
        return Finding(Verdict.DIFFERENT, "other bytes; no comparer knows the format")
    return Finding(Verdict.DIFFERENT, f"other bytes; it cannot be read as {unread}")


def _apply(
    form: Format, name: str, first: bytes, second: bytes, context: Context, depth: int
) -> Finding | None:
    if form.compare is not None:
        return form.compare(first, second, context)
    if depth == _DEEPEST:
        return None

    def inner(member: str, one: bytes, other: bytes, around: Context) -> Finding:
        return compare_files(member, one, other, around, depth + 1)

    if form.name == "zip":
        return compare_zip(first, second, context, inner)
    return compare_packed(name, first, second, context, inner)
