"""Figures and images as files of a run. PNG is written here: an array needs no imaging library."""

from __future__ import annotations

import io
import os
import re
import time

from bis.client.artifacts import ArtifactFolder
from bis.client.connection import say
from bis.client.fluent import set_tag

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from typing import Any

_IMAGE_KEY = re.compile(r"[a-zA-Z0-9_\-./ ]+")
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels -> PNG's grey, RGB, RGBA (PNG 1.2, section 4.1.1)
_PIL_NAMES = {"jpg": "JPEG", "tif": "TIFF", "": "PNG"}
_THUMBNAIL_PIXELS = 256  # MLflow's pages show small copies


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: dict[str, Any] | None = None) -> None:
    """Keep a figure of Matplotlib (any format it writes) or Plotly (.html, or an image where Kaleido is there)."""
    kind, options = _suffix(artifact_file), dict(save_kwargs or {})
    if hasattr(figure, "savefig"):
        buffer = io.BytesIO()
        figure.savefig(buffer, **{"format": kind or "png", **options})
        content = buffer.getvalue()
    elif hasattr(figure, "to_html") and kind == "html":
        content = figure.to_html(**{"include_plotlyjs": "cdn", **options}).encode("utf-8")
    elif hasattr(figure, "to_image"):
        content = figure.to_image(**{"format": kind, **options})
    else:
        raise TypeError("{} is no figure of Matplotlib or Plotly".format(type(figure).__name__))
    ArtifactFolder.of(None).write(artifact_file, content)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,
) -> None:
    """Keep an image: a NumPy array (height x width, with 1, 3 or 4 channels or none) or an image of Pillow.

    ``artifact_file`` names the file. ``key`` names a series instead, with a ``step``, which MLflow's pages show.
    """
    if (artifact_file is None) == (key is None):
        raise TypeError("log_image() needs artifact_file or key, one of them")
    if artifact_file is not None:
        if step is not None or timestamp is not None:
            raise TypeError("step and timestamp of an image belong to key, not to artifact_file")
        ArtifactFolder.of(None).write(artifact_file, encoded(image, _suffix(artifact_file)))
        return
    if not _IMAGE_KEY.fullmatch(str(key)):
        raise ValueError(
            "{!r} is no key of images: there may be letters, digits, and _ - . / and spaces".format(key)
        )
    _log_of_series(image, str(key), int(step or 0), timestamp or int(time.time() * 1000))


def _log_of_series(image: Any, key: str, step: int, timestamp: int) -> None:
    """The names that MLflow's pages look for, and its small copy where Pillow can make one."""
    name = "images/{}+step+{}+timestamp+{}+{}".format(
        key.replace("/", "~"), step, timestamp, os.urandom(16).hex()
    )
    folder = ArtifactFolder.of(None)
    folder.write(name + ".png", encoded(image, "png"))
    small = _pillow_image(image)
    if small is not None:
        small = small.copy()
        small.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
        folder.write(name + "+compressed.webp", encoded(small, "webp"))
    set_tag("mlflow.loggedImages", True)


def encoded(image: Any, kind: str) -> bytes:
    """The image in the format that the suffix ``kind`` names."""
    if hasattr(image, "to_pil"):  # mlflow.Image
        image = image.to_pil()
    is_array = hasattr(image, "dtype") and hasattr(image, "shape")
    if is_array and kind in ("", "png"):
        return png(image)
    pillow = _pillow_image(image)
    if pillow is None:
        if is_array:
            raise TypeError("an array is kept as .png; for .{}, install Pillow".format(kind))
        raise TypeError("{} is no image: give an array, or an image of Pillow".format(type(image).__name__))
    buffer = io.BytesIO()
    pillow.save(buffer, format=_PIL_NAMES.get(kind, kind.upper()))
    return buffer.getvalue()


def _pillow_image(image: Any) -> Any:
    """The image as one of Pillow; None for an array where Pillow is not installed, and for what is no image."""
    if hasattr(image, "to_pil"):
        return image.to_pil()
    if hasattr(image, "save") and hasattr(image, "size"):
        return image
    try:
        import PIL.Image  # type: ignore[import-not-found]
    except ImportError:
        return None
    return PIL.Image.fromarray(_bytes_of_pixels(image)) if hasattr(image, "dtype") else None


def png(array: Any) -> bytes:
    """An array as PNG: numbers from 0 to 255, or from 0.0 to 1.0, into which other fractions are brought, as MLflow."""
    import zlib

    pixels = _bytes_of_pixels(array)
    height, width = int(pixels.shape[0]), int(pixels.shape[1])
    channels = int(pixels.shape[2]) if pixels.ndim == 3 else 1
    raw, stride = pixels.tobytes(), width * channels
    rows = b"".join(b"\0" + raw[begin : begin + stride] for begin in range(0, height * stride, stride))
    header = b"".join(number.to_bytes(4, "big") for number in (width, height))
    header += bytes((8, _COLOUR_TYPES[channels], 0, 0, 0))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(zlib.crc32, name, data) for name, data in chunks)


def _chunk(crc32: Any, name: bytes, data: bytes) -> bytes:
    checksum: int = crc32(name + data)
    return len(data).to_bytes(4, "big") + name + data + checksum.to_bytes(4, "big")


def _bytes_of_pixels(array: Any) -> Any:
    """The array with 8 bits a channel, without an axis for a single channel."""
    if array.dtype.kind not in "biuf":
        raise TypeError("an image has numbers, not {}".format(array.dtype))
    is_flat = array.ndim == 2
    if not (is_flat or (array.ndim == 3 and array.shape[2] in _COLOUR_TYPES)) or 0 in array.shape:
        raise ValueError(
            "an image is height x width, or height x width x 1, 3 or 4, not {}".format(array.shape)
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype.kind == "b":
        return array.astype("uint8") * 255
    low, high = array.min(), array.max()
    if array.dtype.kind in "iu":
        if low < 0 or high > 255:
            raise ValueError("whole pixel values are from 0 to 255, not from {} to {}".format(low, high))
        return array.astype("uint8")
    if not (low >= 0 and high <= 1):
        say(
            "pixel values are from 0.0 to 1.0; those from {} to {} are brought into that range".format(
                low, high
            )
        )
        array = (array - low) / ((high - low) or 1)
    return (array * 255).astype("uint8")


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1][1:].lower()
