"""``python -m wsdial URI`` talks to a server from the terminal: lines typed are sent, messages that come are printed.

From a pipe every line is a message too; at its end the connection is closed when nothing has come for ``--linger`` seconds.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
import threading
import time
from typing import Any

from . import ClientConnection, ConnectionClosed, WebSocketException, __version__, connect

# Control characters of a message must not move the terminal's cursor, nor worse.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9,)}


class Terminal:
    """Where is typed and printed: with prompts and escapes on a terminal, bare lines otherwise."""

    def __init__(self, linger: float) -> None:
        self.linger = linger
        self.is_tty = os.isatty(0) and os.isatty(1)
        self.last = time.monotonic()
        self._lock = threading.Lock()

    def show(self, message: Any) -> None:
        """Prints a message."""
        self.last = time.monotonic()
        if isinstance(message, bytes):
            line = f"(binary) {message.hex()}"
        else:
            line = message.translate(_ESCAPES) if self.is_tty else message
        self.say(f"< {line}" if self.is_tty else line)

    def say(self, line: str) -> None:
        """Prints a line, and the prompt behind it again."""
        with self._lock:
            # A carriage return and the line erased: what was typed meanwhile is still in the terminal's own buffer.
            sys.stdout.write(f"\r\x1b[K{line}\n> " if self.is_tty else f"{line}\n")
            sys.stdout.flush()

    def read(self, ws: ClientConnection) -> None:
        """Sends every line, and closes behind the last. Reads the descriptor: a daemon thread must not hold ``sys.stdin``."""
        rest = b""
        try:
            while chunk := os.read(0, 65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    ws.send(line.rstrip(b"\r").decode("utf-8", "replace"))
                    self.last = time.monotonic()
                if self.is_tty:
                    with self._lock:
                        sys.stdout.write("> ")
                        sys.stdout.flush()
            if rest:
                ws.send(rest.decode("utf-8", "replace"))
            if not self.is_tty:
                self.last = time.monotonic()
                while (left := self.last + self.linger - time.monotonic()) > 0:
                    time.sleep(left)
            ws.close()
        except (ConnectionClosed, OSError):
            pass  # who receives tells


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m wsdial", description="Talks to a WebSocket server from the terminal.")
    parser.add_argument("uri", help="ws://..., wss://... or ws+unix:/path/of/socket:/path")
    parser.add_argument("-s", "--subprotocol", action="append", default=None, help="offer this; may be repeated")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="send this header field")
    parser.add_argument("-o", "--origin", help="value of the Origin header field")
    parser.add_argument("-p", "--proxy", help="address of a proxy, or the empty string for none; else the environment's")
    parser.add_argument("--ca-file", help="PEM file with further root certificates")
    parser.add_argument("--insecure", action="store_true", help="do not verify the server's certificate")
    parser.add_argument("--no-compression", action="store_true", help="do not offer permessage-deflate")
    parser.add_argument("--linger", type=float, default=0.5, metavar="S", help="seconds of silence behind a pipe's end")
    parser.add_argument("--version", action="version", version=f"wsdial {__version__}")
    return parser.parse_args(argv)


def _keywords(arguments: argparse.Namespace) -> dict[str, Any]:
    fields = [tuple(part.strip() for part in header.partition(":")[::2]) for header in arguments.header]
    keywords: dict[str, Any] = {
        "subprotocols": arguments.subprotocol,
        "additional_headers": fields,
        "origin": arguments.origin,
        "ca_file": arguments.ca_file,
        "compression": None if arguments.no_compression else "deflate",
        "proxy": True if arguments.proxy is None else (arguments.proxy or None),
    }
    if arguments.insecure and arguments.uri.startswith("wss:"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        keywords.update(ssl=context, ca_file=None)
    return keywords


def main(argv: list[str] | None = None) -> int:
    """The program; its exit status is 0 when the connection ended as it should."""
    arguments = _arguments(argv)
    terminal = Terminal(arguments.linger)
    try:
        ws = connect(arguments.uri, **_keywords(arguments))
    except (WebSocketException, OSError, ValueError) as error:
        print(f"wsdial: {error}", file=sys.stderr)
        return 1
    with ws:
        if terminal.is_tty:
            picked = f", subprotocol {ws.subprotocol}" if ws.subprotocol else ""
            terminal.say(f"connected to {arguments.uri}{picked}")
        threading.Thread(target=terminal.read, args=(ws,), daemon=True).start()
        status = 0
        try:
            for message in ws:
                terminal.show(message)
        except KeyboardInterrupt:
            pass
        except ConnectionClosed as error:
            print(f"wsdial: {error}", file=sys.stderr)
            status = 1
    if terminal.is_tty:
        sys.stdout.write(f"\r\x1b[Kclosed: {ws.close_code} {ws.close_reason or ''}".rstrip() + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
