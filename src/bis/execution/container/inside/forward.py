"""Lets programs in a container speak to the tracking server of their run, which listens on a socket file.

    python forward.py SOCKET COMMAND...

MLflow's clients know addresses of the network alone. So this listens on a free port of the container's own loopback,
passes all on to the socket file that only this container has, and becomes the command, which finds the address in its
variables. Standard library only, Python 3.4 and later; without it the command still runs.
"""

import os
import signal
import socket
import sys
import threading

_CHUNK = 1 << 16


def main() -> None:
    path, command = sys.argv[1], sys.argv[2:]
    try:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        address = "http://127.0.0.1:{}".format(listener.getsockname()[1])
        run = os.getpid()
        if os.fork() == 0:
            serve(listener, path, run)
            os._exit(0)
        listener.close()
        os.environ["MLFLOW_TRACKING_URI"] = os.environ["BIS_TRACKING_URI"] = address
    except OSError as error:
        sys.stderr.write("bis: the tracking server cannot be reached from the container: {}\n".format(error))
    os.execvp(command[0], command)


def serve(listener: "socket.socket", path: str, run: int) -> None:
    """Pass connections on for as long as the command lives; the end of the run is not for this process to follow."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(os.devnull, "r+b") as nothing:
        for descriptor in (0, 1, 2):  # else the output of the run has no end
            os.dup2(nothing.fileno(), descriptor)
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
