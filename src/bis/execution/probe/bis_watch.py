"""Reports what this process reads, writes, starts and connects to, as Python's audit events tell it (PEP 578).

One file a process in the directory ``BIS_REPORT``, one JSON object a line; ``bis.execution.watch`` reads them. A hook
is called for each event of the interpreter, so what is not of interest is left at once, and each thing is said only
once. Nothing here may change what the program does: it swallows its own errors and holds no descriptor that the
program could take for its own. Standard library only, Python 3.7 to 3.14 (3.7 has no audit events).
"""

from __future__ import annotations

import os
import sys

import bis_lineage
from bis_report import MOST, Report

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HERE = os.path.dirname(os.path.abspath(__file__))


def install() -> None:
    """Report, in a process that belongs to a run of bis."""
    directory = os.environ.get("BIS_REPORT")
    if not directory:
        return
    try:
        report = Report(directory)
    except OSError:  # the directory is not there: another machine, a container
        return
    watched = hasattr(sys, "addaudithook")
    _say_process(report, watched=watched)
    if watched:
        watch = _Watch(report, _passed_over(directory))
        sys.addaudithook(_hook(watch.handlers()))
        _wrap_urandom(watch)
    _report_end(report)
    os.register_at_fork(after_in_child=lambda: _forked(report, watched))
    bis_lineage.listen(lambda: _moved(report))


def _say_process(report: Report, *, watched: bool) -> None:
    values = {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "lineage": bis_lineage.current() or "0",
        "argv": _argv(),
        "executable": sys.executable,
        "python": "{}.{}.{}".format(*sys.version_info),
        "prefixes": [sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)],
        "watched": watched,
    }
    report.say("process", **values)


def _forked(report: Report, watched: bool) -> None:
    try:
        report.reopen()
        _say_process(report, watched=watched)
    except Exception:  # noqa: S110 (nothing is said of this process; it goes on all the same)
        pass


def _moved(report: Report) -> None:
    """Another place in the tree of processes: a process of ``multiprocessing`` is told after it was forked."""
    report.say("place", pid=os.getpid(), lineage=bis_lineage.current())


def _argv() -> list[str]:
    """The whole command line, the interpreter's options too."""
    original: list[str] | None = getattr(sys, "orig_argv", None)
    if original is None:
        try:
            with open("/proc/self/cmdline", "rb") as file:
                original = [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
        except OSError:
            original = [sys.executable, *getattr(sys, "argv", [])]
    return _cut(original)


def _cut(words: list[Any]) -> list[str]:
    return [os.fsdecode(word)[:2000] for word in words[:100]]


def _passed_over(directory: str) -> tuple[str, ...]:
    """Where what is read needs no word: the standard library, installed packages, the system's own views, and bis."""
    places = [os.path.dirname(os.__file__), _HERE, directory, "/proc", "/sys", "/dev"]
    if sys.prefix != sys.base_prefix:
        places.append(sys.prefix)
    places.extend(
        entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages")
    )
    return tuple({place + "/" for place in places if len(place) > 1})


def _hook(handlers: dict[str, Callable[..., None]]) -> Callable[[str, tuple[Any, ...]], None]:
    """The audit hook: one look into a dict for all events that are not of interest."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in handlers:
            try:
                handlers[event](*arguments)
            except Exception:  # noqa: S110 (an error here would be raised in the program)
                pass

    return hook


class _Watch:
    """Turns audit events into lines, each thing once."""

    def __init__(self, report: Report, passed_over: tuple[str, ...]) -> None:
        self._report = report
        self._passed_over = passed_over
        self._settled: set[Any] = set()
        """What was given as the name of a file that is reported as read."""
        self._read: set[str] = set()
        self._written: set[str] = set()
        self._said: set[Any] = set()
        self._own = _server(os.environ.get("BIS_TRACKING_URI", ""))

    def handlers(self) -> dict[str, Callable[..., None]]:
        return {
            "open": self._opened,
            "os.chdir": self._moved,
            "os.rename": self._renamed,
            "sqlite3.connect": self._database,
            "os.listdir": self._listed,
            "os.scandir": self._listed,
            "socket.getaddrinfo": self._resolved,
            "socket.connect": self._connected,
            "http.client.connect": self._http_connected,
            "http.client.send": self._http_sent,
            "urllib.Request": self._requested,
            "subprocess.Popen": self._started,
            "os.posix_spawn": self._spawned,
            "os.exec": self._spawned,
            "os.system": self._shell,
        }

    def _opened(self, path: Any, _mode: Any, flags: int) -> None:
        if path in self._settled and not flags & _WRITING:
            return
        name = self._name(path)
        if name is None:
            return
        if flags & _WRITING:
            if name in self._written or "/__pycache__/" in name:
                return
            if flags & os.O_RDWR and not flags & os.O_TRUNC:
                self._reads(name)
            self._writes(name)
        elif name not in self._read and name not in self._written:
            if "/__pycache__/" in name:
                name = _source_of(name)
                if name in self._read or name in self._written:
                    return
            self._reads(name)
            if name in self._read and type(path) is str:
                self._settled.add(path)

    def _moved(self, *_: Any) -> None:
        """The working directory changes, and with it what relative names mean."""
        self._settled.clear()

    def _reads(self, name: str) -> None:
        """Say what the file is as it is opened: by that, one that changes later is found out."""
        try:
            status = os.stat(name)
        except OSError:
            return
        if status.st_mode & 0o170000 != 0o100000:
            return
        self._read.add(name)
        self._report.say(
            "read",
            path=name,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
        )

    def _writes(self, name: str) -> None:
        self._written.add(name)
        self._report.say("write", path=name)

    def _renamed(self, _source: Any, target: Any, *_: Any) -> None:
        name = self._name(target)
        if name is not None and name not in self._written and "/__pycache__/" not in name:
            self._writes(name)

    def _database(self, database: Any, *_: Any) -> None:
        name = self._name(database)
        if name is None or name.endswith(":memory:"):
            return
        if "/file:" in name:
            name = os.path.join(os.getcwd(), name.partition("/file:")[2].partition("?")[0])
        if name not in self._written:
            self._reads(name)
            self._writes(name)

    def _listed(self, path: Any, *_: Any) -> None:
        if path is None or path not in sys.path:
            name = self._name("." if path is None else path)
            if name is not None:
                self._once("list", path=name)

    def _resolved(self, host: Any, port: Any, *_: Any) -> None:
        self._connects("resolve", _text(host), _text(port))

    def _connected(self, _socket: Any, address: Any) -> None:
        if isinstance(address, tuple):
            self._connects("connect", _text(address[0]), _text(address[1]))

    def _http_connected(self, _connection: Any, host: Any, port: Any) -> None:
        self._connects("resolve", _text(host), _text(port))

    def _connects(self, kind: str, host: str, port: str) -> None:
        host = host.rpartition("@")[2]
        if host and (host, port) != self._own:
            self._once(kind, host=host, port=port)

    def _http_sent(self, connection: Any, data: Any) -> None:
        """The address in the first line of a request that ``http.client`` sends, for urllib3 and boto3 too."""
        if not isinstance(data, bytes):
            return
        words = data[:4000].split(b" ", 2)
        if len(words) == 3 and words[0].isalpha() and words[0].isupper() and words[1][:1] in b"/h":
            target = words[1].decode("latin-1")
            if target.startswith("/"):
                host = getattr(connection, "_tunnel_host", None) or connection.host
                port = getattr(connection, "_tunnel_port", None) or connection.port
                scheme = "https" if connection.default_port == 443 else "http"
                target = "{}://{}:{}{}".format(scheme, host, port, target)
            self._url(target)

    def _requested(self, url: Any, *_: Any) -> None:
        if not str(url).startswith(("file:", "data:")):
            self._url(str(url))

    def _url(self, url: str) -> None:
        url = _bare(url)
        if _server(url) != self._own:
            self._once("url", url=url)

    def _started(self, executable: Any, arguments: Any, _cwd: Any, environ: Any) -> None:
        words = [arguments] if isinstance(arguments, (str, bytes)) else list(arguments)
        if words:
            self._say_spawn([executable or words[0], *words[1:]], environ)

    def _spawned(self, path: Any, arguments: Any, environ: Any) -> None:
        self._say_spawn([path, *list(arguments)[1:]], environ)

    def _shell(self, command: Any) -> None:
        self._say_spawn(["sh", "-c", command], None)

    def _say_spawn(self, words: list[Any], environ: Any) -> None:
        kept = environ is None or _HERE in str(environ.get("PYTHONPATH", environ.get(b"PYTHONPATH", "")))
        self._once("spawn", argv=_cut([os.fspath(word) for word in words]), probe_kept=kept)

    def entropy(self, module: str) -> None:
        """A module asked the system for random bytes, which no seed holds."""
        self._once("urandom", by=module)

    def _once(self, kind: str, **values: Any) -> None:
        key = (kind, str(values))
        if key not in self._said and len(self._said) < MOST:
            self._said.add(key)
            self._report.say(kind, **values)

    def _name(self, path: Any) -> str | None:
        """The absolute path, or None where it needs no word; it may still hold ``..``."""
        if type(path) is not str:
            if path is None or isinstance(path, int):
                return None
            path = os.fsdecode(path)
        if not path.startswith("/"):
            path = os.getcwd() + "/" + path
        return None if path.startswith(self._passed_over) else path


def _source_of(cached: str) -> str:
    """The module's source, of which only the compiled form is opened."""
    folder, _, name = cached.rpartition("/__pycache__/")
    return folder + "/" + name.partition(".")[0] + ".py"


def _wrap_urandom(watch: _Watch) -> None:
    """Say which modules ask for entropy. What they are given is the system's own, untouched."""
    original = os.urandom
    passing = ("uuid", "secrets", "random", "tempfile", "bis_")  # they ask for another

    def urandom(size: int) -> bytes:
        try:
            frame = sys._getframe(1)
            while frame is not None and str(frame.f_globals.get("__name__")).startswith(passing):
                frame = frame.f_back  # type: ignore[assignment]
            if frame is not None:
                watch.entropy(str(frame.f_globals.get("__name__")))
        except Exception:  # noqa: S110
            pass
        return original(size)

    os.urandom = urandom


def _report_end(report: Report) -> None:
    """At the exit: peak memory, and which numeric libraries did the work."""
    import atexit

    def end() -> None:
        try:
            import bis_libraries
            import bis_seed

            for library in bis_libraries.loaded():
                report.say("library", **library)
            report.say(
                "end",
                pid=os.getpid(),
                memory_peak_bytes=bis_libraries.memory_peak_bytes(),
                seeded=bis_seed.seeded(),
            )
        except Exception:  # noqa: S110
            pass

    atexit.register(end)


def _bare(url: str) -> str:
    """The URL without credentials, query and fragment."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.partition("?")[0]
    rest = rest.partition("#")[0].partition("?")[0]
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path


def _server(url: str) -> tuple[str, str] | None:
    """Host and port of a URL."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return None
    host, _, port = rest.partition("/")[0].rpartition("@")[2].partition(":")
    return host, port or ("443" if scheme == "https" else "80")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else "" if value is None else str(value)
