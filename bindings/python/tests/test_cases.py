"""The cases of ``tests/cases``, which every language runs: what a server does, what must come out."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT

import wsdial

FOLDER = ROOT / "tests/cases"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("shared_cases", FOLDER / "cases.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shared = _load()
CASES = shared.read_cases(str(FOLDER / "cases.txt"))
NUMBERS = {
    int(number): name
    for name, number in re.findall(r"#define (WS_E_\w+)\s+\((-\d+)\)", (ROOT / "include/wsdial.h").read_text())
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = [sys.executable, "-B", str(FOLDER / "server.py"), str(FOLDER / "cases.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        yield int(server.stdout.readline().split()[1])
        server.stdin.close()


def failed(error: BaseException) -> str:
    """What came out, in the words of the file."""
    name = NUMBERS[getattr(error, "error_code", None) or 0]
    if isinstance(error, wsdial.InvalidStatus):
        return f"{name} {error.response.status_code}"
    if isinstance(error, wsdial.ConnectionClosed):
        return f"{name} {error.sent.code if error.sent else 1006}"
    return name


def step(ws: wsdial.ClientConnection, word: str, rest: str) -> tuple[str, bytes]:
    """One step of the client's: what came out, and the bytes that came with it."""
    kind, _, raw = rest.partition(" ")
    try:
        if word == "send":
            data = shared.read_bytes(raw)
            if kind in ("ping", "pong"):
                getattr(ws, kind)(data)
            else:
                ws.send(data, text=kind == "text")
            return "sent", b""
        if word == "recv":
            message = ws.recv(timeout=5)
            return ("text", message.encode()) if isinstance(message, str) else ("binary", message)
        assert word == "close"
        code = int(kind)
        ws.close(code, shared.read_bytes(raw).decode())
        return "done", b""
    except wsdial.ConnectionClosed as error:
        if error.rcvd is not None:
            return f"closed {error.rcvd.code}", error.rcvd.reason.encode()
        return failed(error), b""
    except (wsdial.WebSocketException, ValueError) as error:
        return failed(error), b""


def matches(wanted: str, got: str, data: bytes) -> bool:
    words = 2 if wanted.startswith("closed") else 1
    head, rest = wanted.split(" ")[:words], " ".join(wanted.split(" ")[words:])
    if got.split(" ")[0].startswith("WS_E_"):
        return wanted in (got, got.split(" ")[0])
    return " ".join(head) == got and shared.read_bytes(rest) == data


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(port: int, case: dict[str, Any]) -> None:
    uri = case["url"] or f"ws://127.0.0.1:{port}/case/{case['name']}"
    ws: wsdial.ClientConnection | None = None
    for words, wanted in case["client"]:
        word, _, rest = words.partition(" ")
        if word == "dial":
            try:
                ws = wsdial.connect(
                    uri,
                    subprotocols=case["offer"],
                    additional_headers=case["header"],
                    max_size=case["limit"] or None,
                    compression=None,
                    ping_interval=None,
                    proxy=None,
                    open_timeout=5,
                )
                got = f"open {ws.subprotocol or ''}".strip()
            except (wsdial.WebSocketException, OSError, ValueError) as error:
                got = failed(error)
            assert got == wanted, words
        else:
            assert ws is not None
            got, data = step(ws, word, rest)
            assert matches(wanted, got, data), (words, wanted, got, data[:80])
    if ws is not None:
        ws.close_timeout = 0.05
        ws.close()
    if case["url"] is None and case["server"]:
        with pytest.raises(wsdial.InvalidStatus) as caught:
            wsdial.connect(f"ws://127.0.0.1:{port}/verdict/{case['name']}", proxy=None)
        assert caught.value.response.body == b"ok"
