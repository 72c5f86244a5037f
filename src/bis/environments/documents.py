"""Reads the files in which projects declare environments: text without mistakes, YAML with positions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bis.errors import Position, SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from yaml import MarkedYAMLError
    from yaml.nodes import MappingNode, Node

_CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, where: Position | None = None) -> str:
    """Return the text of an environment file; raise SpecError when it is missing, not UTF-8 or in conflict.

    ``where`` is the place that named the file.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SpecError(
            f"there is no file {path}", where=where, hint="Write it, or take its name out."
        ) from None
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}", where=where) from error
    text = _decode(content, path)
    conflict = _CONFLICT.search(text)
    if conflict:
        raise SpecError(
            "an unresolved merge conflict",
            where=Position(path, text.count("\n", 0, conflict.start()) + 1),
            hint="Decide for one side and remove the lines that begin with <<<<<<<, ======= and >>>>>>>.",
        )
    return text


def _decode(content: bytes, path: Path) -> str:
    if content.startswith(_BYTE_ORDER_MARKS) or b"\x00" in content[:200]:
        raise SpecError(
            "the file is not UTF-8 text; it looks like UTF-16 (PowerShell's `>` writes that)",
            where=Position(path, 1),
            hint=f"Save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8 {path.name}",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(
            "the file is not UTF-8 text", where=Position(path, line), hint="Save it as UTF-8."
        ) from error


def read_mapping(path: Path) -> MappingNode | None:
    """Return the root of a YAML file as a node with positions, or None when the file is empty."""
    import yaml

    text = read_text(path)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root: Node | None = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        raise _yaml_error(path, error) from error
    except yaml.YAMLError as error:
        raise SpecError(f"not YAML: {error}", where=Position(path, 1)) from error
    if root is None or is_null(root):
        return None
    if not isinstance(root, yaml.MappingNode):
        raise SpecError("expected `key: value` lines at the top of the file", where=place(path, root))
    return root


def _yaml_error(path: Path, error: MarkedYAMLError) -> SpecError:
    mark = error.problem_mark or error.context_mark
    where = Position(path, mark.line + 1, mark.column + 1) if mark else Position(path, 1)
    return SpecError(f"not YAML: {error.problem or error.context}", where=where)


def entries(path: Path, mapping: MappingNode) -> dict[str, Node]:
    """Return the values of a mapping by key; of a repeated key the last one counts, as for PyYAML."""
    found: dict[str, Node] = {}
    for key, value in mapping.value:
        if not isinstance(key.value, str):
            raise SpecError("a key has to be a word", where=place(path, key))
        found[key.value] = value
    return found


def items(path: Path, node: Node, what: str) -> list[Node]:
    """Return the items of a sequence; an absent one (null) has none."""
    import yaml

    if is_null(node):
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise SpecError(
            f"{what} has to be a list", where=place(path, node), hint="Begin each line of it with `- `."
        )
    return list(node.value)


def scalar(path: Path, node: Node, what: str) -> str:
    """Return a scalar as the user wrote it: ``3.10`` stays "3.10", which YAML reads as the number 3.1."""
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise SpecError(f"{what} has to be one word or line of text", where=place(path, node))
    return str(node.value).strip()


def is_null(node: Node) -> bool:
    """True for nothing, ``~`` and ``null``."""
    return bool(node.tag == "tag:yaml.org,2002:null")


def place(path: Path, node: Node) -> Position:
    """Return where a node begins."""
    return Position(path, node.start_mark.line + 1, node.start_mark.column + 1)
