"""The cases that every language runs, tests/cases/cases.txt, through asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import wsdial.aio
import wsdial.exceptions

FOLDER = ROOT / "tests/cases"
_spec = importlib.util.spec_from_file_location("cases", FOLDER / "cases.py")
assert _spec and _spec.loader
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

CASES = cases.read_cases(FOLDER / "cases.txt")
NUMBERS = {
    int(number): name
    for name, number in re.findall(r"^#define (WS_E_\w+) +\((-\d+)\)", (ROOT / "include/wsdial.h").read_text(), re.M)
}


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, str(FOLDER / "server.py"), str(FOLDER / "cases.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        word, port = process.stdout.readline().split()
        assert word == "ready"
        yield f"ws://127.0.0.1:{port}"
        process.stdin.close()


def said(data):
    return data.encode() if isinstance(data, str) else bytes(data)


def kind_of(message):
    return "text" if isinstance(message, str) else "binary"


def failure(error):
    """The name of the failure, and for the end of a connection the close code that goes with it."""
    name = NUMBERS[error.error_code]
    if isinstance(error, wsdial.exceptions.ConnectionClosed):
        return f"{name} {error.sent.code if error.sent and not error.rcvd else 1006}"
    if isinstance(error, wsdial.exceptions.InvalidStatus):
        return f"{name} {error.response.status_code}"
    return name


async def dial(case, server):
    return await wsdial.aio.connect(
        case["url"] or f"{server}/case/{case['name']}",
        subprotocols=case["offer"] or None,
        additional_headers=case["header"],
        max_size=case["limit"] or None,
        compression=None,
        proxy=None,
        ping_interval=None,
        close_timeout=0.1,  # the server ends TCP when we have
    )


async def take(step, ws):
    """Takes a step behind the dial; what came out."""
    word, _, rest = step.partition(" ")
    if word == "recv":
        try:
            message = await ws.recv()
        except wsdial.exceptions.ConnectionClosed as error:
            if error.error_code is None:
                return "closed", (error.rcvd.code, error.rcvd.reason.encode())
            return "failure", failure(error)
        return kind_of(message), said(message)
    if word == "send":
        kind, _, payload = rest.partition(" ")
        data = cases.read_bytes(payload)
        call = {"ping": ws.ping, "pong": ws.pong}.get(kind)
        await (call(data) if call else ws.send(data, text=kind == "text"))
        return "sent", b""
    code, _, reason = rest.partition(" ")
    await ws.close(int(code), cases.read_bytes(reason).decode("utf-8", "surrogateescape"))
    over = ws._wire.verdict()
    return ("done", b"") if over.rcvd else ("failure", NUMBERS[over.error_code])


async def verdict(case, server):
    with pytest.raises(wsdial.exceptions.InvalidStatus) as caught:
        await wsdial.aio.connect(f"{server}/verdict/{case['name']}", proxy=None)
    assert caught.value.response.status_code == 418
    return caught.value.response.body.decode()


async def play(case, server):
    ws = None
    try:
        for step, wanted in case["client"]:
            word, _, rest = wanted.partition(" ")
            try:
                if step == "dial":
                    ws = await dial(case, server)
                    outcome = ("open", (ws.subprotocol or "").encode())
                else:
                    outcome = await take(step, ws)
            except (wsdial.exceptions.WebSocketException, OSError, ValueError) as error:
                outcome = ("failure", failure(error))
            if outcome[0] == "failure":
                wants = wanted if " " in outcome[1] else word
                assert outcome[1] == wants, f"{step}: {outcome[1]}, not {wanted}"
            elif word == "closed":
                code, _, reason = rest.partition(" ")
                assert outcome == ("closed", (int(code), cases.read_bytes(reason))), f"{step}: {outcome}, not {wanted}"
            else:
                wants = rest.encode() if word == "open" else cases.read_bytes(rest)
                assert outcome == (word, wants), f"{step}: {outcome}, not {wanted}"
    finally:
        if ws is not None:
            with contextlib.suppress(Exception):
                await ws.close()
    if case["server"]:
        assert await verdict(case, server) == "ok"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_case(server, case):
    asyncio.run(asyncio.wait_for(play(case, server), 30))
