"""Runs uv: where it is, with which settings, and its words made fit for the user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments.credentials import without_user
from bis.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BUILD_FOLDER = re.compile(r"/\S*/builds-v0/\.tmp\w+/(?:lib/python[\d.]+/site-packages/)?")
_PROGRESS = re.compile(
    r"\s*(Resolved|Prepared|Installed|Download(ed|ing)|Build(ing)?|Built|Updat(ed|ing)|Using) "
)
_FROM_PIP = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "PIP_CERT": ("SSL_CERT_FILE",),
}
"""pip's settings that uv does not read, and where they go unless the user has set one of these."""
_LEFT_OUT = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_PYTHON",
    "UV_PROJECT",
    "UV_WORKING_DIRECTORY",
)
_MOST_SHOWN = 3000
"""Characters of what uv says."""
_UNREACHABLE = (
    "Failed to fetch",
    "Failed to download",
    "Request failed",
    "error sending request",
    "dns error",
)


@dataclass(frozen=True)
class Finished:
    """How a uv command ended; ``errors`` is its standard error, "" when that went to the terminal."""

    code: int
    output: str
    errors: str

    @property
    def unreachable(self) -> bool:
        """True when it failed because the network or the index did not answer."""
        return any(sign in self.errors for sign in _UNREACHABLE)

    @property
    def disk_full(self) -> bool:
        """True when the disk or a quota is full."""
        return "No space left on device" in self.errors or "Disk quota exceeded" in self.errors


def run_uv(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    show: bool = False,
    keep_open: tuple[int, ...] = (),
) -> Finished:
    """Run uv to its end.

    ``show`` gives it the terminal for its bars; ``keep_open`` are descriptors that it inherits.
    """
    try:
        done = subprocess.run(
            [uv_executable(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            env=uv_environment(os.environ),
            cwd=cwd,
            check=False,
            pass_fds=keep_open,
        )
    except OSError as error:
        raise BuildError(
            f"cannot run uv: {error.strerror}", hint="Install bis again: uv comes with it."
        ) from error
    errors = done.stderr.decode(errors="replace") if done.stderr else ""
    return Finished(done.returncode, done.stdout.decode(errors="replace"), errors)


def uv_executable() -> str:
    """Return the uv that came with bis, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    if beside.is_file():
        return str(beside)
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return "uv"


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for uv: the user's settings of indexes hold, an active environment does not."""
    settings = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    for name, (goal, *others) in _FROM_PIP.items():
        if settings.get(name) and not any(settings.get(each) for each in (goal, *others)):
            settings[goal] = settings[name]
    if settings.get("PIP_EXTRA_INDEX_URL"):
        settings.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # what pip does with several indexes
    settings["GIT_OPTIONAL_LOCKS"] = "0"  # `git describe` in a package's build leaves the user's index alone
    settings["GIT_TERMINAL_PROMPT"] = "0"
    settings["UV_NO_WRAP"] = "1"  # its words are read, and it would break them by paths that are not shown
    return settings


def cleaned(errors: str, hidden: Mapping[str, str]) -> str:
    """Return uv's words for the user, without credentials, progress, and paths (``hidden``: path -> word)."""
    text = _BUILD_FOLDER.sub("", without_user(errors))
    for path, word in hidden.items():
        text = text.replace(path, word)
    kept = [line.rstrip() for line in text.splitlines() if not _is_noise(line)]
    return _shortened("\n".join(kept).strip().removeprefix("error: "))


def _is_noise(line: str) -> bool:
    return bool(_PROGRESS.match(line)) or line.startswith("warning: ")


def _shortened(text: str) -> str:
    half = _MOST_SHOWN // 2
    return text if len(text) <= _MOST_SHOWN else f"{text[:half]}\n[...]\n{text[-half:]}"
