#!/usr/bin/env python3
"""Plays the server's side of cases.txt: server.py CASES. Prints "ready PORT", and runs until its standard input ends."""
import base64
import hashlib
import socket
import sys
import threading
from os.path import abspath, dirname

sys.path.insert(0, dirname(abspath(__file__)))
from cases import read_bytes, read_cases  # noqa: E402

LIMIT = 5.0  # seconds that anything may take
KINDS = {"text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}


class Wrong(Exception):
    """The client did not do what it must."""


def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise Wrong("the client ended the connection")
        data += more
    return data


def read_frame(stream):
    first, second = read_exactly(stream, 2)
    if not first & 0x80 or first & 0x70 or not second & 0x80:
        raise Wrong(f"a frame that begins with {first:02x} {second:02x}")
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(read_exactly(stream, 2 if length == 126 else 8), "big")
    key = read_exactly(stream, 4)
    payload = bytearray(read_exactly(stream, length))
    for i in range(4):
        payload[i::4] = bytes(b ^ key[i] for b in payload[i::4])
    return first & 15, bytes(payload)


def want(stream, text):
    kind, _, rest = text.partition(" ")
    opcode, payload = read_frame(stream)
    if opcode != KINDS[kind]:
        raise Wrong(f"wanted {kind}, got opcode {opcode} with {payload[:40]!r}")
    if kind == "close":
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        if code != int(rest):
            raise Wrong(f"wanted a close with {rest}, got {code} {payload[2:]!r}")
    elif payload != read_bytes(rest):
        raise Wrong(f"wanted {kind} {rest[:60]}, got {len(payload)} bytes {payload[:40]!r}")


def play(stream, steps, key):
    accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    ended = False
    for step in steps:
        word, _, rest = step.partition(" ")
        if word == "answer":
            head = (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n"
            )
            stream.sendall(head.encode() + read_bytes(rest, accept) + b"\r\n")
        elif word in ("head", "send"):
            stream.sendall(read_bytes(rest, accept))
        elif word == "want":
            want(stream, rest)
        elif word == "end":
            stream.shutdown(socket.SHUT_WR)
            ended = True
        else:
            raise ValueError(step)
    # The client may end as it likes.
    try:
        while stream.recv(65536):
            pass
    except ConnectionError:
        pass
    return ended


class Server:
    def __init__(self, path):
        self.cases = {case["name"]: case for case in read_cases(path)}
        self.verdicts = {}
        self.told = threading.Condition()

    def verdict(self, name):
        """How the last connection of that case went; waits for its end."""
        with self.told:
            self.told.wait_for(lambda: name in self.verdicts, LIMIT)
            return self.verdicts.pop(name, "the case was not dialed, or did not end")

    def serve(self, stream):
        stream.settimeout(LIMIT)
        with stream:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += read_exactly(stream, 1)
                lines = head.decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            except (OSError, Wrong):
                return
            if path.startswith("/verdict/"):
                body = self.verdict(path[9:]).encode()
                stream.sendall(b"HTTP/1.1 418 Verdict\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                return
            name, verdict = path[6:], "ok"
            try:
                play(stream, self.cases[name]["server"], fields["sec-websocket-key"])
            except (OSError, Wrong) as error:
                verdict = str(error) or type(error).__name__
            with self.told:
                self.verdicts[name] = verdict
                self.told.notify_all()


def main():
    server = Server(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print("ready", listener.getsockname()[1], flush=True)

    def accept():
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=server.serve, args=(stream,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
