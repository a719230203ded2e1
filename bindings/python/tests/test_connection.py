"""Dial, send, receive, close, against the echo server and against servers with a script."""

from __future__ import annotations

import gc
import pickle
import queue
import socket
import ssl
import threading
import time
import warnings

import pytest

import wsdial
from conftest import upgrade


def code_of(frame: bytes) -> int:
    """The code in a masked close frame."""
    return int.from_bytes(bytes([frame[6] ^ frame[2], frame[7] ^ frame[3]]), "big")


def both(echo):
    return [(echo.ws, None), (echo.wss, echo.ca)]


def test_echo_and_clean_close(echo):
    for uri, ca in both(echo):
        with wsdial.connect(uri, subprotocols=["other", "json"], ca_file=ca) as ws:
            assert ws.subprotocol == "json"
            assert ws.response.status_code == 101
            assert ws.response.headers["UPGRADE"].lower() == "websocket"
            assert ws.close_code is None and ws.close_reason is None
            for message in ["héllo", "", b"", b"\x00\xff", "x" * 70_000, b"y" * 1_000_000]:
                ws.send(message)
                assert ws.recv(timeout=10) == message
        assert ws.close_code == 1000
        assert ws.close_reason == ""
        ws.close()
        for call in (ws.recv, lambda: ws.send("late"), ws.ping):
            with pytest.raises(wsdial.ConnectionClosedOK) as caught:
                call()
            assert caught.value.code == 1000


def test_no_subprotocol_is_none(declining):
    with wsdial.connect(declining.ws, subprotocols=["json"]) as ws:
        assert ws.subprotocol is None


def test_addresses(echo):
    with wsdial.connect(echo.ws) as ws:
        assert ws.remote_address[0] in ("127.0.0.1", "::1")
        assert ws.remote_address[1] == int(echo.ws.rpartition(":")[2])
        assert ws.local_address[1] > 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_every_kind_of_bytes(echo, kind):
    with wsdial.connect(echo.ws) as ws:
        for data in (b"", b"abc", bytes(range(256)) * 100):
            ws.send(kind(data))
            assert ws.recv(timeout=10) == data
        ws.send(memoryview(b"a-b-c-")[::2])
        assert ws.recv(timeout=10) == b"abc"


def test_text_and_decode_say_otherwise(echo):
    with wsdial.connect(echo.ws) as ws:
        ws.send("é", text=False)
        assert ws.recv(timeout=10) == "é".encode()
        ws.send("é".encode(), text=True)
        assert ws.recv(timeout=10) == "é"
        ws.send("é")
        assert ws.recv(timeout=10, decode=False) == "é".encode()
        with pytest.raises(ValueError):
            ws.send(b"\xff", text=True)
        with pytest.raises(TypeError):
            ws.send(3)
        ws.send("still here")
        assert ws.recv(timeout=10) == "still here"
        ws.send(b"\xff")
        with pytest.raises(wsdial.ConnectionClosedError) as caught:
            ws.recv(timeout=10, decode=True)
        assert caught.value.sent.code == 1007 and isinstance(caught.value.__cause__, UnicodeDecodeError)


def test_a_timeout_loses_nothing(serve):
    go, sent = threading.Event(), threading.Event()

    def script(stream, request):
        stream.sendall(upgrade(request) + b"\x81\x05he")
        go.wait(10)
        stream.sendall(b"llo")
        sent.set()
        stream.recv(100)

    ws = wsdial.connect(serve(script), close_timeout=0.1)
    for timeout in (0, 0.01, 0.25):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            ws.recv(timeout=timeout)
        assert timeout <= time.monotonic() - started < timeout + 5
    go.set()
    assert sent.wait(10)
    assert ws.recv(timeout=10) == "hello"
    ws.close()


def test_iteration_ends_with_the_close(serve):
    def script(stream, request):
        stream.sendall(upgrade(request) + b"\x81\x01a\x82\x01b\x88\x06\x03\xe8done")
        stream.recv(100)

    with wsdial.connect(serve(script)) as ws:
        assert list(ws) == ["a", b"b"]
        assert (ws.close_code, ws.close_reason) == (1000, "done")


def test_a_failure_code_is_an_error(serve):
    def script(stream, request):
        stream.sendall(upgrade(request) + b"\x88\x05\x03\xf3bad")
        stream.recv(100)

    with wsdial.connect(serve(script)) as ws:
        for _ in range(2):
            with pytest.raises(wsdial.ConnectionClosedError) as caught:
                ws.recv(timeout=10)
            assert (caught.value.code, caught.value.reason) == (1011, "bad")


@pytest.mark.parametrize(
    ("frames", "close_code", "error_code"),
    [
        (b"\x81\x05he", 1006, -801),  # cut
        (b"\x83\x00", 1002, -602),  # a reserved opcode
        (b"\x81\x01\xff", 1007, -620),  # no UTF-8
        (b"\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01", 1009, -701),  # 1 MiB and a byte
    ],
)
def test_violations(serve, frames, close_code, error_code):
    answers: queue.Queue[int] = queue.Queue()

    def script(stream, request):
        stream.sendall(upgrade(request) + frames)
        if close_code != 1006:
            answers.put(code_of(stream.recv(8, socket.MSG_WAITALL)))

    ws = wsdial.connect(serve(script))
    with pytest.raises(wsdial.ConnectionClosedError) as caught:
        ws.recv(timeout=10)
    sent = caught.value.sent.code if caught.value.sent else 1006
    assert sent == close_code and caught.value.rcvd is None
    assert caught.value.error_code == error_code
    ws.close()
    if close_code != 1006:
        assert answers.get(timeout=10) == close_code


def test_max_size_none_is_no_limit(echo):
    with wsdial.connect(echo.ws, max_size=None) as ws:
        ws.send(b"x" * 3_000_000)
        assert len(ws.recv(timeout=20)) == 3_000_000


def test_headers_and_rejection(serve):
    seen = []

    def script(stream, request):
        seen.append(request)
        stream.sendall(b"HTTP/1.1 401 Nope\r\nX-Two: 1\r\nx-two: 2\r\nX-One: 3\r\nContent-Length: 4\r\n\r\nsorr")

    headers = {"Authorization": "Bearer x"}
    with pytest.raises(wsdial.InvalidStatus) as caught:
        wsdial.connect(serve(script), additional_headers=headers, origin="https://here.example")
    response = caught.value.response
    assert (response.status_code, response.body) == (401, b"sorr")
    assert response.headers.get_all("X-TWO") == ["1", "2"] and response.headers["x-one"] == "3"
    assert "x-two" in response.headers and "x-three" not in response.headers
    with pytest.raises(LookupError):
        response.headers["x-two"]
    assert b"Authorization: Bearer x\r\n" in seen[0] and b"Origin: https://here.example\r\n" in seen[0]
    assert caught.value.error_code == -501


@pytest.mark.parametrize(
    ("change", "exception"),
    [
        (lambda head: head.replace(b"websocket", b"h2c"), wsdial.InvalidUpgrade),
        (lambda head: head.replace(b"Accept: ", b"Accept: x"), wsdial.InvalidHandshake),
        (lambda head: head[:-2] + b"Sec-WebSocket-Protocol: other\r\n\r\n", wsdial.NegotiationError),
        (lambda head: head[:-2] + b"no colon\r\n\r\n", wsdial.InvalidMessage),
        (lambda head: head[:40], wsdial.InvalidMessage),
    ],
)
def test_broken_handshakes(serve, change, exception):
    with pytest.raises(exception) as caught:
        wsdial.connect(serve(lambda stream, request: stream.sendall(change(upgrade(request)))), subprotocols=["json"])
    assert caught.value.error_code < -501


def test_a_timeout_that_is_no_number(echo):
    with wsdial.connect(echo.ws) as ws:
        pong = ws.ping()
        for wait in (ws.recv, ws.recv_batch, lambda timeout: ws.recv_into(bytearray(999), timeout), pong.wait, ws.wait_closed):
            with pytest.raises(TypeError, match="timeout must be a number of seconds or None, not str"):
                wait(timeout="1")
            with pytest.raises(ValueError, match="timeout is not a number"):
                wait(timeout=float("nan"))
        assert pong.wait(10)


def test_open_timeout(serve):
    release = threading.Event()
    uri = serve(lambda stream, request: release.wait(10))
    started = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        wsdial.connect(uri, open_timeout=0.1)
    release.set()
    assert 0.1 <= time.monotonic() - started < 5
    assert "handshake" in str(caught.value)


def test_tls_failures_are_ssl_errors(echo):
    with pytest.raises(ssl.SSLCertVerificationError):
        wsdial.connect(echo.wss)
    with pytest.raises(ssl.SSLCertVerificationError):
        wsdial.connect(echo.wss, ca_file=echo.ca, server_hostname="elsewhere.example")


def test_nobody_listening():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match=str(port)):
        wsdial.connect(f"ws://127.0.0.1:{port}")


@pytest.mark.parametrize("uri", ["", "localhost", "http://localhost", "ws://", "ws://localhost:0", "ws://localhost/#x"])
def test_bad_addresses(uri):
    with pytest.raises(wsdial.InvalidURI) as caught:
        wsdial.connect(uri)
    assert caught.value.uri == uri


@pytest.mark.parametrize(
    ("options", "exception"),
    [
        ({"subprotocols": "json"}, TypeError),
        ({"subprotocols": ["a", "a"]}, ValueError),
        ({"subprotocols": ["a b"]}, ValueError),
        ({"subprotocols": ["a\0"]}, ValueError),
        ({"subprotocols": [5]}, TypeError),
        ({"additional_headers": {"Upgrade": "x"}}, ValueError),
        ({"additional_headers": [("A", "x\r\nB: y")]}, ValueError),
        ({"max_size": 0}, ValueError),
        ({"max_size": -1}, ValueError),
        ({"ca_file": "/nowhere.pem"}, ValueError),
        ({"open_timeout": float("nan")}, ValueError),
        ({"compression": "gzip"}, ValueError),
        ({"nonsense": 1}, TypeError),
        ({"proxy": 5}, TypeError),
        ({"extensions": [object()]}, ValueError),
        ({"ping_interval": -1}, ValueError),
        ({"max_queue": 0}, ValueError),
    ],
)
def test_bad_options(options, exception):
    with pytest.raises(exception):
        wsdial.connect("ws://localhost:1", **options)


def test_bad_closes_and_pings(echo):
    with wsdial.connect(echo.ws) as ws:
        for code, reason in [(1005, ""), (1006, ""), (2999, ""), (1000, "x" * 124), (1000, "a\0b")]:
            with pytest.raises(ValueError):
                ws.close(code, reason)
        for call in (ws.ping, ws.pong):
            call()
            call("text")
            call(b"x" * 125)
            with pytest.raises(ValueError):
                call(b"x" * 126)
        ws.send("still here")
        assert ws.recv(timeout=10) == "still here"


def test_an_exception_inside_with_closes_with_1011(serve):
    answers: queue.Queue[int] = queue.Queue()

    def script(stream, request):
        stream.sendall(upgrade(request))
        answers.put(code_of(stream.recv(8, socket.MSG_WAITALL)))

    with pytest.raises(ZeroDivisionError):
        with wsdial.connect(serve(script)):
            raise ZeroDivisionError
    assert answers.get(timeout=10) == 1011


def test_a_second_receiver_is_told_so(echo):
    ws = wsdial.connect(echo.ws)
    results = []

    def receive():
        try:
            results.append(ws.recv())
        except wsdial.ConnectionClosed as error:
            results.append(error)

    reader = threading.Thread(target=receive)
    reader.start()
    while not ws._receiving.locked():
        assert reader.is_alive()
    with pytest.raises(wsdial.ConcurrencyError):
        ws.recv()
    ws.send("for the first")
    reader.join(10)
    assert results == ["for the first"]

    reader = threading.Thread(target=receive)
    reader.start()
    ws.close()  # wakes it
    reader.join(10)
    assert not reader.is_alive()
    assert isinstance(results[1], wsdial.ConnectionClosedOK)


def test_many_senders_one_receiver(echo):
    for uri, ca in both(echo):
        with wsdial.connect(uri, ca_file=ca) as ws:

            def send(name):
                for number in range(200):
                    ws.send(f"{name} {number} " + "x" * (number * 31))

            senders = [threading.Thread(target=send, args=(name,)) for name in range(3)]
            for sender in senders:
                sender.start()
            following = [0] * 3
            for _ in range(600):
                name, number, filling = ws.recv(timeout=20).split(" ")
                assert int(number) == following[int(name)] and len(filling) == int(number) * 31
                following[int(name)] += 1
            for sender in senders:
                sender.join(10)


def test_close_without_an_answer_is_bounded(serve):
    release = threading.Event()

    def script(stream, request):
        stream.sendall(upgrade(request))
        release.wait(20)

    ws = wsdial.connect(serve(script), close_timeout=0.2)
    started = time.monotonic()
    ws.close()
    assert time.monotonic() - started < 5
    release.set()
    with pytest.raises(wsdial.ConnectionClosed):
        ws.recv()




@pytest.mark.parametrize("uri", [None, 5, b"ws://localhost"])
def test_an_address_that_is_no_text_is_told_so(uri):
    with pytest.raises(TypeError, match=f"not {type(uri).__name__}"):
        wsdial.connect(uri)
