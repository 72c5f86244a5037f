"""Lets programs in a container speak to the tracking server of their run, which listens on a socket file.

    python forward.py SOCKET COMMAND...

MLflow's clients know addresses of the network alone. So this listens on a free port of the container's own loopback,
passes all on to the socket file that only this container has, and becomes the command, which finds the address in its
variables. Standard library only, Python 3.5 and later; without it the command still runs.

Until the command has its address, this imports what is part of the interpreter and nothing else: the command waits.
"""

import _signal  # type: ignore[import-not-found]  # typeshed has none
import _socket
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

_CHUNK = 1 << 16


def main() -> None:
    path, command = sys.argv[1], sys.argv[2:]
    try:
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        address = "http://127.0.0.1:{}".format(listener.getsockname()[1])
        run = os.getpid()
        if os.fork() == 0:
            try:
                for number in (
                    _signal.SIGTERM,
                    _signal.SIGINT,
                ):  # the end of the run is not for this process to follow
                    _signal.signal(number, _signal.SIG_IGN)
                serve(listener.detach(), path, run)
            finally:
                os._exit(0)  # whatever was raised: the command is for the other process alone
        listener.close()
        os.environ["MLFLOW_TRACKING_URI"] = os.environ["BIS_TRACKING_URI"] = address
    except OSError as error:
        sys.stderr.write("bis: the tracking server cannot be reached from the container: {}\n".format(error))
    os.execvp(command[0], command)


def serve(descriptor: int, path: str, run: int) -> None:
    """Pass connections on for as long as the command lives."""
    with open(os.devnull, "r+b") as nothing:
        for stream in (0, 1, 2):  # else the output of the run has no end
            os.dup2(nothing.fileno(), stream)
    import socket
    import threading

    listener = socket.socket(fileno=descriptor)
    listener.settimeout(1)
    while os.getppid() == run:
        try:
            incoming = listener.accept()[0]
        except socket.timeout:
            continue
        outgoing = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            outgoing.connect(path)
        except OSError:
            incoming.close()
            continue
        incoming.settimeout(None)
        for source, target in ((incoming, outgoing), (outgoing, incoming)):
            thread = threading.Thread(target=copy, args=(source, target))
            thread.daemon = True
            thread.start()


def copy(source: "socket.socket", target: "socket.socket") -> None:
    """Pass on what one end says until it has said all."""
    import socket

    try:
        while True:
            part = source.recv(_CHUNK)
            if not part:
                break
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


if __name__ == "__main__":
    main()
