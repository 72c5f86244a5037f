"""YAML as MLflow reads it (PyYAML, YAML 1.1), with the position of every key and value.

Values are those of PyYAML's safe loader, so ``str()`` of them is the text MLflow puts into a command. Keys
are the text the user wrote: MLflow reads a parameter named ``off`` as the boolean key ``False`` and then
never finds it again.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import yaml

from bis.errors import Position, ProjectError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Warn = Callable[[str, Position], None]

_Loader: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# Plain classes: a dataclass costs half a millisecond of every start


class Value:
    """One node of the document: where it stands, and what PyYAML makes of it."""

    def __init__(self, document: Document, node: yaml.Node) -> None:
        self.document = document
        self.node = node

    @property
    def position(self) -> Position:
        """Where the value begins."""
        return self.document.position(self.node.start_mark)

    @property
    def is_mapping(self) -> bool:
        """Whether it is written as ``key: value`` pairs."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether it is a sequence."""
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_null(self) -> bool:
        """Whether nothing is written, or ``null`` or ``~``."""
        return bool(self.node.tag == "tag:yaml.org,2002:null")

    @property
    def text(self) -> str | None:
        """A string as it reads, another scalar as it is written; None for null and for collections."""
        if self.is_null or not isinstance(self.node, yaml.ScalarNode):
            return None
        return str(self.node.value)

    @property
    def printed(self) -> str | None:
        """The value as MLflow prints it: ``yes`` is ``True``, ``010`` is ``8``; None for null."""
        value = self.document.construct(self.node)
        return None if value is None else str(value)

    def entries(self, warn: Warn) -> dict[str, Entry]:
        """The pairs of a mapping by key, merges (``<<``) resolved; of a repeated key the last."""
        return self.document.entries(self.node, warn)

    def items(self) -> list[Value]:
        """The elements of a sequence."""
        return [Value(self.document, node) for node in self.node.value]


class Entry:
    """A key of a mapping and its value; ``is_string`` is False where YAML reads the key as a boolean, ..."""

    def __init__(self, key: str, position: Position, value: Value, is_string: bool) -> None:
        self.key = key
        self.position = position
        self.value = value
        self.is_string = is_string


class Document:
    """A parsed YAML file; ``root`` is None for an empty one. Raises ProjectError when it is not YAML."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        try:
            self._loader = _Loader(text)
            node = self._loader.get_single_node()
        except yaml.YAMLError as error:
            raise _explained(error, file, text) from error
        except RecursionError as error:
            raise ProjectError("the file nests too deeply", where=Position(file, 1)) from error
        self._mappings: dict[int, dict[str, Entry]] = {}
        self.root = None if node is None else Value(self, node)

    def position(self, mark: yaml.error.Mark) -> Position:
        """The place of a PyYAML mark, counted from 1."""
        return Position(self.file, mark.line + 1, mark.column + 1)

    def construct(self, node: yaml.Node) -> object:
        """The Python object that ``yaml.safe_load`` makes of the node."""
        try:
            return self._loader.construct_object(node, deep=True)
        # ValueError: 2024-13-45 looks like a date; RecursionError: hundreds of nested lists
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ProjectError(
                f"this value cannot be read: {getattr(error, 'problem', None) or error}",
                hint="Put it between quotes.",
                where=self.position(node.start_mark),
            ) from error

    def entries(self, node: yaml.Node, warn: Warn) -> dict[str, Entry]:
        """See ``Value.entries``."""
        if id(node) not in self._mappings:  # an aliased mapping is met again, its merges already resolved
            self._mappings[id(node)] = self._read_mapping(node, warn)
        return self._mappings[id(node)]

    def _read_mapping(self, node: yaml.Node, warn: Warn) -> dict[str, Entry]:
        own = {id(key) for key, _ in node.value}
        try:
            self._loader.flatten_mapping(node)  # type: ignore[arg-type]
        except yaml.YAMLError as error:
            raise _explained(error, self.file, "") from error
        found: dict[str, Entry] = {}
        seen: set[str] = set()
        for key, value in node.value:
            entry = self._entry(key, value)
            if id(key) in own:
                if entry.key in seen:
                    warn(f"{entry.key!r} is written twice; the last one counts", entry.position)
                seen.add(entry.key)
            found[entry.key] = entry
        return found

    def _entry(self, key: yaml.Node, value: yaml.Node) -> Entry:
        position = self.position(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise ProjectError(
                "a key must be a word, and this is a list or a mapping",
                hint="A value that begins with { or [ must stand between quotes.",
                where=position,
            )
        return Entry(str(key.value), position, Value(self, value), key.tag == "tag:yaml.org,2002:str")


def read(file: Path, warn: Warn) -> Document:
    """Parse ``file`` (UTF-8, or UTF-16 with a byte order mark). Raises ProjectError with the position."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ProjectError(f"cannot read {file}: {error.strerror}") from error
    text = _decoded(file, content, warn)
    document = Document(file, text)
    conflict = _conflict_line(text)
    if conflict:
        warn("a mark of a Git merge conflict", Position(file, conflict))
    return document


def parse_scalar(text: str) -> str | None:
    """The text YAML makes of a plain value: quotes taken off, ``yes`` as ``True``; else as it is written."""
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader, see above
    except (yaml.YAMLError, ValueError):
        return text
    return None if value is None else str(value)


def _decoded(file: Path, content: bytes, warn: Warn) -> str:
    start = Position(file, 1)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        warn("the file is written in UTF-16, which MLflow cannot read; save it as UTF-8", start)
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ProjectError(
            "the file is not written in UTF-8", hint="Save it as UTF-8.", where=Position(file, line)
        ) from error


def _explained(error: yaml.YAMLError, file: Path, text: str) -> ProjectError:
    conflict = _conflict_line(text)
    if conflict:
        return ProjectError(
            "the file holds an unresolved Git merge conflict",
            hint="Keep one side and delete the lines that begin with <<<<<<<, ======= and >>>>>>>.",
            where=Position(file, conflict),
        )
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        problem = getattr(error, "problem", None) or getattr(error, "context", None)
        return ProjectError(
            f"this is not valid YAML: {problem}",
            hint=_yaml_hint(str(problem)),
            where=Position(file, mark.line + 1, mark.column + 1),
        )
    offset = getattr(error, "position", 0)
    where = _position_at(file, text, offset if isinstance(offset, int) else 0)
    return ProjectError(f"this is not valid YAML: {getattr(error, 'reason', error)}", where=where)


def _conflict_line(text: str) -> int:
    """The line of the first mark of a Git merge conflict, 0 when there is none."""
    if "<<<<<<< " not in text and ">>>>>>> " not in text:
        return 0
    lines = enumerate(text.split("\n"), start=1)
    return next((number for number, line in lines if line.startswith(("<<<<<<< ", ">>>>>>> "))), 0)


def _yaml_hint(problem: str) -> str:
    if "tab" in problem or "\\t" in problem or "cannot start any token" in problem:
        return "Indent with spaces, not tabs; put values that begin with @, `, % or * between quotes."
    if "mapping values" in problem:
        return "A value that holds ': ' must stand between quotes, or on the lines below 'command: >-'."
    return "Look at the indentation and the quotes of this line and the one above it."


def _position_at(file: Path, text: str, offset: int) -> Position:
    return Position(file, text.count("\n", 0, offset) + 1)


def lines_of(file: Path) -> list[str]:
    """The lines of a file that has been read before; none when it is gone."""
    try:
        return _decoded(file, file.read_bytes(), lambda _message, _where: None).splitlines()
    except (OSError, ProjectError):
        return []
