"""What a pickle says, read without doing it: a graph of plain values and of calls that are *not* made.

Unpickling runs code of the file's choice. Here the opcodes are read with ``pickletools`` and put together on a stack as
the real machine would, but a class is only a name, and a call only a node that holds the name and the arguments.
joblib's files are pickles with the bytes of arrays between the opcodes.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from bis.repeat.comparison.arrays import Elements, Field, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = object()
_JOBLIB = "joblib.numpy_pickle NumpyArrayWrapper"
_MOST_OPCODES = 20_000_000


class PickleError(ValueError):
    """The bytes are not a pickle that can be followed."""


@dataclass(eq=False)
class Node:
    """A thing that is not a plain value. ``kind`` says which: list, tuple, dict, set, global, call, buffer, array."""

    kind: str
    name: str = ""
    items: list[Any] = field(default_factory=list)
    """Of a list, tuple, set: the members. Of a call: what is called, and its arguments."""
    pairs: list[tuple[Any, Any]] = field(default_factory=list)
    """Of a dict (or an object that is filled like one): keys and values."""
    state: list[Any] = field(default_factory=list)
    """What BUILD gives to an object."""
    elements: Elements | None = None
    """Of a NumPy array: its elements."""


def read_pickles(data: bytes) -> list[Any]:
    """The values of all pickles in ``data``, one after the other. Raises PickleError."""
    stream, found = io.BytesIO(data), []
    while stream.tell() < len(data):
        found.append(_Machine(stream).read())
    if not found:
        raise PickleError("empty")
    return found


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        """Follow the opcodes to the end."""
        count = 0
        try:
            for opcode, argument, _ in pickletools.genops(self._stream):
                count += 1
                if count > _MOST_OPCODES:
                    raise PickleError("too long")
                if opcode.name == "STOP":
                    return self._stack.pop()
                self._follow(opcode.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise PickleError(str(error)) from error
        raise PickleError("cut off")

    def _follow(self, name: str, argument: Any) -> None:
        step = _STEPS.get(name)
        if step is not None:
            step(self, argument)
        elif name in _CONSTANTS:
            self._stack.append(argument)
        elif name not in _IGNORED:
            raise PickleError(f"opcode {name}")

    def _take_marked(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise PickleError("no mark")
        found = self._stack[place + 1 :]
        del self._stack[place:]
        return found

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _remember(self, place: Any) -> None:
        self._memo[len(self._memo) if place is None else int(place)] = self._stack[-1]

    def _recall(self, place: Any) -> None:
        self._push(self._memo[int(place)])

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _drop_marked(self, _: Any) -> None:
        self._take_marked()

    def _tuple(self, count: int) -> None:
        items = self._stack[len(self._stack) - count :] if count else []
        del self._stack[len(self._stack) - count :]
        self._push(Node("tuple", items=items))

    def _marked(self, kind: str) -> None:
        self._push(Node(kind, items=self._take_marked()))

    def _marked_dict(self, _: Any) -> None:
        self._push(Node("dict", pairs=_pairs(self._take_marked())))

    def _append(self, _: Any) -> None:
        value = self._stack.pop()
        self._stack[-1].items.append(value)

    def _extend(self, _: Any) -> None:
        values = self._take_marked()
        self._stack[-1].items.extend(values)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._stack[-1].pairs.append((key, value))

    def _set_items(self, _: Any) -> None:
        pairs = _pairs(self._take_marked())
        self._stack[-1].pairs.extend(pairs)

    def _global(self, argument: Any) -> None:
        self._push(Node("global", str(argument)))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._push(Node("global", f"{module} {name}"))

    def _instance(self, argument: Any) -> None:
        self._push(_call(Node("global", str(argument)), self._take_marked()))

    def _object(self, _: Any) -> None:
        called, *arguments = self._take_marked()
        self._push(_call(called, arguments))

    def _reduce(self, _: Any) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        self._push(_call(called, arguments.items))

    def _new_object_with_names(self, _: Any) -> None:
        names, arguments, called = self._stack.pop(), self._stack.pop(), self._stack.pop()
        self._push(_call(called, [*arguments.items, names]))

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        built = self._stack[-1]
        built.state.append(state)
        if built.kind == "call" and built.items and _is_global(built.items[0], _JOBLIB):
            self._read_joblib_array(built, state)
        else:
            _settle_array(built)

    def _read_joblib_array(self, built: Node, state: Node) -> None:
        """The bytes of an array, which joblib writes after the opcodes of its wrapper."""
        facts = dict(state.pairs)
        shape = tuple(int(size) for size in facts["shape"].items)
        dtype = dtype_of(facts["dtype"])
        if dtype is None:
            raise PickleError("an array of no known type")
        fields = _fields_of(facts["dtype"])
        built.kind, built.name = "array", "numpy"
        if any(part.lstrip("<>|=").startswith("O") for part in (dtype, *(field.dtype for field in fields))):
            built.items = [_Machine(self._stream).read()]
            built.state = []
            return
        if facts.get("numpy_array_alignment_bytes") is not None:
            (padding,) = self._stream.read(1)
            self._stream.read(padding)
        size = size_of(dtype)
        for length in shape:
            size *= length
        data = self._stream.read(size)
        if len(data) != size:
            raise PickleError("cut off in an array")
        built.elements = Elements(dtype, shape, facts["order"] == "F", data, fields)
        built.items, built.state = [], []

    def _persistent(self, argument: Any) -> None:
        self._push(Node("persistent", items=[self._stack.pop() if argument is None else argument]))

    def _extension(self, argument: Any) -> None:
        self._push(Node("global", f"extension {argument}"))

    def _copy(self, _: Any) -> None:
        self._push(self._stack[-1])


def _pairs(values: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _call(called: Any, arguments: list[Any]) -> Any:
    """What a call comes to: plain bytes and sets (as protocols below 3 and 4 write them), else a node."""
    if _is_global(called, "_codecs encode") and len(arguments) == 2 and arguments[1] == "latin1":
        return str(arguments[0]).encode("latin1")
    if _is_global(called, *_SETS) and len(arguments) <= 1 and _has_members(arguments):
        return Node("set", items=[member for argument in arguments for member in argument.items])
    node = Node("call", items=[called, *arguments])
    if _is_global(called, *_FROM_BUFFER):
        _settle_buffer(node)
    return node


def _has_members(arguments: list[Any]) -> bool:
    return all(isinstance(each, Node) and each.kind in ("list", "tuple", "set") for each in arguments)


_SETS = ("builtins set", "__builtin__ set", "builtins frozenset", "__builtin__ frozenset")
_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_FROM_BUFFER = ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer")
_SCALAR = ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar")


def _is_global(value: Any, *names: str) -> bool:
    return isinstance(value, Node) and value.kind == "global" and value.name in names


def _settle_array(node: Node) -> None:
    """Make an ndarray that was given its state (version, shape, dtype, order, bytes) a node of elements."""
    if not (node.kind == "call" and _is_global(node.items[0], *_RECONSTRUCT) and node.state):
        return
    state = node.state[-1]
    if not (isinstance(state, Node) and len(state.items) == 5):
        return
    _, shape, dtype, fortran, content = state.items
    data, kind = _plain_bytes(content), dtype_of(dtype)
    if data is not None and kind is not None:
        node.elements = Elements(kind, tuple(shape.items), bool(fortran), data, _fields_of(dtype))
        node.kind, node.name, node.items, node.state = "array", "numpy", node.items[1:2], []


def _settle_buffer(node: Node) -> None:
    """As ``_settle_array``, for the calls of protocol 5: (bytes, dtype, shape, order)."""
    if len(node.items) != 5:
        return
    _, content, dtype, shape, order = node.items
    data, kind = _plain_bytes(content), dtype_of(dtype)
    if data is not None and kind is not None:
        node.elements = Elements(kind, tuple(shape.items), order == "F", data, _fields_of(dtype))
        node.kind, node.name, node.items = "array", "numpy", []


def _plain_bytes(value: Any) -> bytes | None:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else None


def dtype_of(value: Any) -> str | None:
    """The dtype that a node makes, as ``<f8``; None when it makes none."""
    if not (isinstance(value, Node) and value.kind == "call" and _is_global(value.items[0], "numpy dtype")):
        return None
    state = value.state[-1].items if value.state and isinstance(value.state[-1], Node) else ()
    return f"{state[1] if state else '|'}{value.items[1]}"


def _fields_of(value: Node) -> tuple[Field, ...]:
    """The fields of a dtype of records: its state is (version, order, subarray, names, fields, size, …)."""
    state = value.state[-1].items if value.state and isinstance(value.state[-1], Node) else ()
    if len(state) < 5 or not (isinstance(state[3], Node) and isinstance(state[4], Node)):
        return ()
    found = []
    for name, description in state[4].pairs:
        dtype = dtype_of(description.items[0])
        found.append(Field(str(name), dtype or "|V1", int(description.items[1])))
    return tuple(sorted(found, key=lambda field: field.offset))


def number_of(node: Node) -> tuple[str, bytes] | None:
    """Type and bytes of a NumPy scalar; None when the node is none."""
    if node.kind != "call" or len(node.items) != 3 or not _is_global(node.items[0], *_SCALAR):
        return None
    kind, data = dtype_of(node.items[1]), _plain_bytes(node.items[2])
    return None if kind is None or data is None else (kind, data)


_IGNORED = frozenset({"PROTO", "FRAME", "READONLY_BUFFER"})
_CONSTANTS = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
    | {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
)
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine._push(_MARK),
    "NONE": lambda machine, _: machine._push(None),
    "NEWTRUE": lambda machine, _: machine._push(True),
    "NEWFALSE": lambda machine, _: machine._push(False),
    "NEXT_BUFFER": lambda machine, _: machine._push(Node("buffer")),
    "EMPTY_LIST": lambda machine, _: machine._push(Node("list")),
    "EMPTY_DICT": lambda machine, _: machine._push(Node("dict")),
    "EMPTY_SET": lambda machine, _: machine._push(Node("set")),
    "EMPTY_TUPLE": lambda machine, _: machine._tuple(0),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "TUPLE": lambda machine, _: machine._marked("tuple"),
    "LIST": lambda machine, _: machine._marked("list"),
    "FROZENSET": lambda machine, _: machine._marked("set"),
    "DICT": _Machine._marked_dict,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._extend,
    "ADDITEMS": _Machine._extend,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "PUT": _Machine._remember,
    "BINPUT": _Machine._remember,
    "LONG_BINPUT": _Machine._remember,
    "MEMOIZE": _Machine._remember,
    "GET": _Machine._recall,
    "BINGET": _Machine._recall,
    "LONG_BINGET": _Machine._recall,
    "POP": _Machine._pop,
    "POP_MARK": _Machine._drop_marked,
    "DUP": _Machine._copy,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "INST": _Machine._instance,
    "OBJ": _Machine._object,
    "NEWOBJ": _Machine._reduce,
    "NEWOBJ_EX": _Machine._new_object_with_names,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
    "PERSID": _Machine._persistent,
    "BINPERSID": _Machine._persistent,
    "EXT1": _Machine._extension,
    "EXT2": _Machine._extension,
    "EXT4": _Machine._extension,
}
"""What each opcode does; the rest push their argument, or do nothing that bears on the value."""
