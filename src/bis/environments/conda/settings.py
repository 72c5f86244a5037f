"""conda's own settings: the ``.condarc`` files and the ``CONDA_*`` variables that bear on where packages come from.

Files, keys and the way they are merged are those of conda's documentation, "Using the .condarc conda configuration
file". The files inside of conda installations are left out: what is locked may not depend on what is activated.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.errors import Position, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_ALIAS = "https://conda.anaconda.org"
DEFAULT_CHANNELS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")

_PLACES = (
    "/etc/conda",
    "/var/lib/conda",
    "$XDG_CONFIG_HOME/conda",
    "~/.config/conda",
    "~/.conda",
)
_YES = {"true", "yes", "on", "1"}
_NO = {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Settings:
    """What the user has set; what nobody has set is conda's default."""

    channels: tuple[str, ...] = ()
    default_channels: tuple[str, ...] = DEFAULT_CHANNELS
    custom_channels: Mapping[str, str] = field(default_factory=dict)
    custom_multichannels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mirrored_channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channel_alias: str = DEFAULT_ALIAS
    ssl_verify: bool | str = True
    """False, or the file of certificates to trust."""
    proxies: Mapping[str, str] = field(default_factory=dict)
    """By scheme."""
    add_pip: bool = True
    """Whether Python brings pip along."""
    strict_priority: bool = True

    @property
    def deciding(self) -> tuple[str, ...]:
        """What of it bears on which packages are chosen, as text."""
        return (*self.channels, f"add_pip={self.add_pip}", f"strict={self.strict_priority}")


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that hold here; raise UsageError for a file or value that cannot be read."""
    variables = os.environ if environ is None else environ
    merged: dict[str, Any] = {}
    for file in _files(variables):
        _merge(merged, _document(file, variables))
    _merge(merged, _of_variables(variables))
    return _settings(merged)


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Give the files that exist, the one that counts most last."""
    for place in _PLACES:
        expanded = _expanded(place, environ)
        if not expanded.startswith("/"):
            continue  # the variable is not set
        folder = Path(expanded)
        yield from (path for name in (".condarc", "condarc") if (path := folder / name).is_file())
        yield from sorted((folder / "condarc.d").glob("*.y*ml"))
    for text in ("~/.condarc", "$CONDARC"):
        expanded = _expanded(text, environ)
        if expanded.startswith("/") and (path := Path(expanded)).is_file():
            yield path


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    if text.startswith("~"):
        text = environ.get("HOME", str(Path.home())) + text[1:]
    return with_variables(text, environ)


def with_variables(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with ``$NAME`` and ``${NAME}`` replaced; those that are not set stand as they are.

    >>> with_variables("https://host/t/${TOKEN}/team", {"TOKEN": "abc"})
    'https://host/t/abc/team'
    """
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: environ.get(match[1] or match[2], match[0]), text)


def _document(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = with_variables(path.read_text("utf-8"), environ)
        found = yaml.load(text, Loader=loader)  # noqa: S506  # a safe one
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or getattr(error, "strerror", None) or "it is not YAML text"
        where = Position(path, mark.line + 1 if mark else 1)
        raise UsageError(f"conda's settings cannot be read: {why}", where=where) from error
    return found if isinstance(found, dict) else {}


def _of_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    lists = {"channels": "CONDA_CHANNELS", "default_channels": "CONDA_DEFAULT_CHANNELS"}
    words = {
        "channel_alias": "CONDA_CHANNEL_ALIAS",
        "ssl_verify": "CONDA_SSL_VERIFY",
        "add_pip_as_python_dependency": "CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY",
        "channel_priority": "CONDA_CHANNEL_PRIORITY",
    }
    found: dict[str, Any] = {key: environ[name] for key, name in words.items() if environ.get(name)}
    return found | {
        key: [each.strip() for each in environ[name].split(",") if each.strip()]
        for key, name in lists.items()
        if environ.get(name)
    }


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Merge as conda does: of what counts more, lists come before and keys win."""
    for key, value in more.items():
        before = into.get(key)
        if isinstance(value, list):
            rest = before if isinstance(before, list) else []
            into[key] = [*value, *(each for each in rest if each not in value)]
        elif isinstance(value, dict) and isinstance(before, dict):
            into[key] = {**before, **value}
        elif value is not None:
            into[key] = value


def _settings(merged: Mapping[str, Any]) -> Settings:
    default = _words(merged.get("default_channels"))
    return Settings(
        channels=_words(merged.get("channels")),
        default_channels=default or DEFAULT_CHANNELS,
        custom_channels={name: str(url) for name, url in _mapping(merged.get("custom_channels")).items()},
        custom_multichannels=_lists(merged.get("custom_multichannels")),
        mirrored_channels=_lists(merged.get("mirrored_channels")),
        channel_alias=str(merged.get("channel_alias") or DEFAULT_ALIAS).rstrip("/"),
        ssl_verify=_ssl(merged.get("ssl_verify", True)),
        proxies={name: str(url) for name, url in _mapping(merged.get("proxy_servers")).items() if url},
        add_pip=str(merged.get("add_pip_as_python_dependency", True)).lower() not in _NO,
        strict_priority=str(merged.get("channel_priority", "strict")).lower() not in {"disabled", "false"},
    )


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _mapping(value: object) -> dict[str, Any]:
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else {}


def _lists(value: object) -> dict[str, tuple[str, ...]]:
    return {name: _words(each) for name, each in _mapping(value).items()}


def _ssl(value: object) -> bool | str:
    text = str(value)
    if text.lower() in _NO:
        return False
    return True if text.lower() in _YES or text == "truststore" else str(Path(text).expanduser())
