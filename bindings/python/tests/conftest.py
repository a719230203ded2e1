"""The servers: the project's echo server, ``websockets`` as one that nobody here wrote, and bare sockets with a script."""

from __future__ import annotations

import base64
import hashlib
import os
import pathlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@dataclass
class Echo:
    ws: str
    wss: str
    ca: str


def _echo(folder: pathlib.Path, *options: str) -> Iterator[Echo]:
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    program = os.environ.get("WSDIAL_ECHO_SERVER", str(ROOT / target / "release/examples/echo-server"))
    command = [program, "--port", "0", "--tls-port", "0", "--ca", str(folder / "ca.pem"), *options]
    # It ends when the pipe on its standard input is closed, however this process ends.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        _, ws, wss, _ = server.stdout.readline().split()
        yield Echo(ws, wss, str(folder / "ca.pem"))
        server.stdin.close()


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    """Agrees to ``json`` and ``chat``."""
    yield from _echo(tmp_path_factory.mktemp("agrees"), "--subprotocol", "json,chat")


@pytest.fixture(scope="session")
def declining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    """Agrees to no subprotocol."""
    yield from _echo(tmp_path_factory.mktemp("declines"), "--no-subprotocol")


Script = Callable[[socket.socket, bytes], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Script], str]]:
    """Starts a server for one client: the script gets the stream and the request."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(script: Script) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            with stream:
                request = b""
                while b"\r\n\r\n" not in request:
                    chunk = stream.recv(4096)
                    if not chunk:
                        return
                    request += chunk
                try:
                    script(stream, request)
                except OSError:
                    pass  # the client has gone, which its test will say if it should not have

        thread = threading.Thread(target=run)
        thread.start()
        listeners.append(listener)
        threads.append(thread)
        return f"ws://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        # Wakes a thread that is still in accept.
        try:
            listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        listener.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def upgrade(request: bytes, *fields: str) -> bytes:
    """The head of the answer that the request asks for."""
    key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*head, f"Sec-WebSocket-Accept: {accept}", *fields, "", ""]).encode()
