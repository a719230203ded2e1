"""Every name of ``websockets.sync.client``, used for what it means, in both packages; ``names.txt`` says which test has which."""

from __future__ import annotations

import array
import inspect
import logging
import pathlib
import pickle
import queue
import re
import socket
import ssl
import threading
import time
from types import SimpleNamespace

import pytest
import websockets
import websockets.exceptions
import websockets.sync.client
from conftest import ROOT, upgrade
from websockets.sync.server import serve as websockets_serve
from websockets.sync.server import unix_serve

import wsdial

WSDIAL = SimpleNamespace(
    name="wsdial",
    connect=wsdial.connect,
    unix_connect=wsdial.unix_connect,
    reconnect=wsdial.reconnect,
    unix_reconnect=wsdial.unix_reconnect,
    ClientConnection=wsdial.ClientConnection,
    exceptions=wsdial,
    Headers=wsdial.Headers,
    State=wsdial.State,
)
WEBSOCKETS = SimpleNamespace(
    name="websockets",
    connect=websockets.sync.client.connect,
    unix_connect=websockets.sync.client.unix_connect,
    reconnect=getattr(websockets.sync.client, "reconnect", None),
    unix_reconnect=getattr(websockets.sync.client, "unix_reconnect", None),
    ClientConnection=websockets.sync.client.ClientConnection,
    exceptions=websockets.exceptions,
    Headers=websockets.Headers,
    State=websockets.State,
)
# Using the result of websockets' connect without `with` is deprecated there, and what old programs do.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")


# The model is 17.4; what older versions, which older Pythons get, do otherwise is nobody's business here.
IS_MODEL = hasattr(websockets.sync.client, "reconnect")
NEEDS_MODEL = pytest.mark.skipif(not IS_MODEL, reason="this websockets is older than the model")


@pytest.fixture(params=[WSDIAL, WEBSOCKETS] if IS_MODEL else [WSDIAL], ids=lambda one: one.name)
def one(request):
    return request.param


@pytest.fixture
def peer():
    """Starts a server of ``websockets``."""
    started = []

    def start(handler, *, unix=None, scheme="ws", **options):
        server = unix_serve(handler, unix, **options) if unix else websockets_serve(handler, "127.0.0.1", 0, **options)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        started.append((server, thread))
        return unix or "%s://127.0.0.1:%d" % (scheme, server.socket.getsockname()[1])

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join(10)
        assert not thread.is_alive()


def echo_back(connection):
    for message in connection:
        connection.send(message)


def headers_back(connection):
    connection.send("\n".join(f"{name}: {value}" for name, value in connection.request.headers.raw_items()))


# connect and its keywords.


def test_connect_as_a_context_manager(one, peer):
    with one.connect(peer(echo_back)) as ws:
        assert isinstance(ws, one.ClientConnection)
        ws.send("hello")
        assert ws.recv() == "hello"
    assert ws.state is one.State.CLOSED


def test_connect_directly_and_legacy(one, peer):
    uri = peer(echo_back)
    for keywords in ({}, {"legacy": True}):
        ws = one.connect(uri, **keywords)
        ws.send("x")
        assert ws.recv() == "x"
        ws.close()
    connecter = one.connect(uri, legacy=False)
    assert isinstance(connecter, one.reconnect)
    with connecter as ws:
        ws.send("y")
        assert ws.recv() == "y"


def test_reconnect(one, peer):
    failures = []

    def process_exception(error):
        failures.append(error)
        return None if len(failures) < 3 else ZeroDivisionError("enough")

    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ZeroDivisionError):
        for _ in one.reconnect(
            f"ws://127.0.0.1:{port}", process_exception=process_exception, reconnect_delays=lambda: iter([0, 0.01, 0])
        ):
            pass
    assert len(failures) == 3 and all(isinstance(failure, OSError) for failure in failures)

    uri, seen = peer(echo_back), []
    for ws in one.reconnect(uri):
        seen.append(ws)
        ws.send("again")
        assert ws.recv() == "again"
        if len(seen) == 3:
            break
    assert len(seen) == 3 and seen[0].state is one.State.CLOSED


def test_unix_connect(one, peer, tmp_path):
    path = str(tmp_path / "socket")
    peer(echo_back, unix=path)
    for connecter in (one.unix_connect(path), one.unix_connect(path, "ws://elsewhere.example/x")):
        with connecter as ws:
            ws.send("by path")
            assert ws.recv() == "by path"
            assert ws.remote_address == path
    with pytest.raises(ValueError):
        one.unix_connect()
    with one.unix_reconnect(path) as ws:
        ws.send("again")
        assert ws.recv() == "again"


def test_origin_headers_and_user_agent(one, peer):
    uri = peer(headers_back)
    with one.connect(uri, origin="https://here.example", additional_headers={"X-One": "1"}) as ws:
        said = ws.recv()
        assert "Origin: https://here.example" in said and "X-One: 1" in said
        assert re.search(rf"User-Agent: Python/\d+\.\d+ {one.name}/\S+", said)
        assert ws.request.headers["X-One"] == "1" and ws.request.path == "/"
        assert ws.request.headers["Host"] == uri[5:]
    with one.connect(uri, additional_headers=one.Headers([("A", "x"), ("a", "y")]), user_agent_header="me") as ws:
        said = ws.recv()
        assert "A: x\na: y" in said and "User-Agent: me" in said
    with one.connect(uri, additional_headers=[("User-Agent", "mine")], user_agent_header=None) as ws:
        assert re.findall("User-Agent: .*", ws.recv()) == ["User-Agent: mine"]


def test_subprotocols(one, peer):
    uri = peer(echo_back)
    with one.connect(peer(echo_back, subprotocols=["json"]), subprotocols=["chat", "json"]) as ws:
        assert ws.subprotocol == "json"
    with one.connect(uri) as ws:
        assert ws.subprotocol is None
    with pytest.raises(TypeError):
        one.connect(uri, subprotocols="json")


def test_compression(one, peer):
    uri = peer(lambda connection: connection.send(connection.request.headers.get("Sec-WebSocket-Extensions", "none")))
    with one.connect(uri) as ws:
        assert "permessage-deflate" in ws.recv()
        assert "permessage-deflate" in ws.response.headers["Sec-WebSocket-Extensions"]
    with one.connect(uri, compression=None) as ws:
        assert ws.recv() == "none"
        assert "Sec-WebSocket-Extensions" not in ws.response.headers
    with one.connect(peer(echo_back)) as ws:
        for message in ["a" * 100_000, b"\0" * 300_000, "b"]:
            ws.send(message)
            assert ws.recv() == message
    with pytest.raises(ValueError):
        one.connect(uri, compression="gzip")


def test_extensions_none(one, peer):
    with one.connect(peer(echo_back), extensions=None) as ws:
        ws.send("x")
        assert ws.recv() == "x"


def test_sock(one, peer):
    uri = peer(echo_back)
    sock = socket.create_connection(("127.0.0.1", int(uri.rpartition(":")[2])))
    with one.connect("ws://somewhere.example/path", sock=sock) as ws:
        ws.send("x")
        assert ws.recv() == "x"
        assert ws.request.headers["Host"] == "somewhere.example"


def test_ssl_and_server_hostname(one, echo):
    context = ssl.create_default_context(cafile=echo.ca)
    address = echo.wss.replace("localhost", "127.0.0.1")
    with one.connect(address, ssl=context, server_hostname="localhost") as ws:
        ws.send("sealed")
        assert ws.recv() == "sealed"
    with pytest.raises(ssl.SSLCertVerificationError):
        one.connect(address, ssl=context, server_hostname="elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        one.connect(echo.wss)
    with pytest.raises(ValueError):
        one.connect("ws://localhost", ssl=context)


def test_open_timeout(one, serve):
    release = threading.Event()
    uri = serve(lambda stream, request: release.wait(10))
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        one.connect(uri, open_timeout=0.1)
    assert time.monotonic() - started < 2
    release.set()


def test_keepalive_pings_and_latency(one, peer):
    with one.connect(peer(echo_back), ping_interval=0.05) as ws:
        assert ws.latency == 0
        end = time.monotonic() + 5
        while ws.latency == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert 0 < ws.latency < 1


def test_ping_timeout(one, serve):
    def script(stream, request):
        stream.sendall(upgrade(request))
        while stream.recv(4096):  # answers no ping
            pass

    with one.connect(serve(script), ping_interval=0.05, ping_timeout=0.1, close_timeout=0.1) as ws:
        with pytest.raises(one.exceptions.ConnectionClosedError) as caught:
            ws.recv(timeout=5)
        assert caught.value.rcvd is None and ws.close_code == 1006
        assert one is WEBSOCKETS or caught.value.error_code == -803


def test_close_timeout(one, serve):
    def script(stream, request):
        stream.sendall(upgrade(request))
        while stream.recv(4096):  # answers no close
            pass

    ws = one.connect(serve(script), close_timeout=0.1)
    started = time.monotonic()
    ws.close()
    assert 0.05 < time.monotonic() - started < 2
    assert ws.close_code == 1006


def test_max_size(one, peer):
    uri = peer(lambda connection: connection.send("x" * 2000))
    for limit in (1000, (1000, None)):
        with one.connect(uri, max_size=limit) as ws:
            with pytest.raises(one.exceptions.ConnectionClosedError) as caught:
                ws.recv()
            assert caught.value.sent.code == 1009
            assert isinstance(caught.value.__cause__, one.exceptions.PayloadTooBig) or one is WEBSOCKETS
    with one.connect(uri, max_size=None) as ws:
        assert len(ws.recv()) == 2000


def test_max_queue(one, peer):
    count = 40
    with one.connect(peer(lambda c: [c.send("x") for _ in range(count)] and c.recv()), max_queue=None) as ws:
        for _ in range(count):
            assert ws.recv(timeout=5) == "x"
    if one is WEBSOCKETS:
        return  # it slows a server down too, and then closes late
    sent = [0]

    def handler(connection):
        sent[0] = 0
        try:
            for _ in range(400):
                connection.send(b"x" * 500_000)
                sent[0] += 1
        except websockets.exceptions.ConnectionClosed:
            pass

    for bound in (2, (2, 1)):
        with one.connect(peer(handler), max_queue=bound, compression=None, close_timeout=0.1):
            seen, still = -1, 0
            while still < 10:
                time.sleep(0.03)
                still = still + 1 if sent[0] == seen else 0
                seen = sent[0]
            assert seen < 400, "the server was never slowed down"


def test_logger_and_debug(one, peer, caplog):
    logger = logging.getLogger("of.the.test")
    with caplog.at_level(logging.DEBUG, "of.the.test"):
        with one.connect(peer(echo_back), logger=logger) as ws:
            assert ws.debug
            ws.send("said")
            assert ws.recv() == "said"
            ws.logger.info("by hand")
        records = [record for record in caplog.records if record.name == "of.the.test"]
    said = "\n".join(record.getMessage() for record in records)
    assert "by hand" in said and "> TEXT 'said'" in said and "< TEXT 'said'" in said
    assert "connection is OPEN" in said and "connection is CLOSED" in said
    assert any(hasattr(record, "websocket") for record in records)


def test_create_connection(one, peer):
    class Mine(one.ClientConnection):
        def shout(self, text):
            self.send(text.upper())

    with one.connect(peer(echo_back), create_connection=Mine) as ws:
        ws.shout("hello")
        assert ws.recv() == "HELLO"


def test_keywords_of_create_connection(one, peer):
    uri = peer(lambda connection: connection.send(connection.remote_address[0]))
    port = int(uri.rpartition(":")[2])
    with one.connect(
        "ws://elsewhere.example", address=("127.0.0.1", port), source_address=("127.0.0.2", 0), timeout=5
    ) as ws:
        assert ws.recv() == "127.0.0.2"
    with pytest.raises(TypeError):
        one.connect(uri, nonsense=1)


def http_proxy():
    """A proxy for one client; its requests."""
    requests = queue.Queue()
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        client, _ = listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        requests.put(head.decode())
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")

        def pump(a, b):
            try:
                while data := a.recv(65536):
                    b.sendall(data)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        threads = [threading.Thread(target=pump, args=pair) for pair in ((client, server), (server, client))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        client.close()
        server.close()

    thread = threading.Thread(target=run)
    thread.start()
    return "http://user:secret@127.0.0.1:%d" % listener.getsockname()[1], requests, (thread, listener)


@pytest.mark.parametrize("secure", ["ws", "ssl"])
def test_proxy(one, echo, secure):
    proxy, requests, (thread, listener) = http_proxy()
    keywords = {"ssl": ssl.create_default_context(cafile=echo.ca)} if secure == "ssl" else {}
    with one.connect(echo.wss if keywords else echo.ws, proxy=proxy, **keywords) as ws:
        ws.send("through")
        assert ws.recv() == "through"
    request = requests.get(timeout=5)
    assert request.startswith("CONNECT localhost:") and "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in request
    assert f"{one.name}/" in request
    thread.join(10)
    listener.close()
    with pytest.raises(one.exceptions.InvalidProxy):
        one.connect(echo.ws, proxy="gopher://127.0.0.1")


def test_proxy_refuses(one, serve):
    proxy = serve(lambda stream, request: stream.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"))
    with pytest.raises(one.exceptions.InvalidProxyStatus) as caught:
        one.connect("ws://server.example", proxy=proxy.replace("ws:", "http:"))
    assert caught.value.response.status_code == 403
    proxy = serve(lambda stream, request: stream.sendall(b"nonsense\r\n\r\n"))
    with pytest.raises(one.exceptions.InvalidProxyMessage):
        one.connect("ws://server.example", proxy=proxy.replace("ws:", "http:"))


def test_proxy_of_the_environment(one, monkeypatch, serve):
    seen = []
    proxy = serve(lambda stream, request: seen.append(request))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", proxy.replace("ws:", "http:"))
    with pytest.raises(one.exceptions.InvalidProxyMessage):
        one.connect("ws://server.example")
    assert seen[0].startswith(b"CONNECT server.example:80 ")
    with pytest.raises(OSError):
        one.connect("ws://server.invalid", proxy=None)


def test_proxy_ssl(one, echo, tmp_path):
    """An https proxy is TLS in TLS: here the echo server's own certificate stands in for the proxy's."""
    context = ssl.create_default_context(cafile=echo.ca)
    # The echo server is no proxy, so it answers CONNECT with a refusal, inside TLS that proxy_ssl made possible.
    with pytest.raises(one.exceptions.ProxyError):
        one.connect(
            echo.wss,
            ssl=context,
            proxy=echo.wss.replace("wss:", "https:").replace("localhost", "127.0.0.1").rstrip("/"),
            proxy_ssl=context,
            proxy_server_hostname="localhost",
        )
    with pytest.raises(ValueError):
        one.connect(echo.wss, proxy="http://127.0.0.1:9", proxy_ssl=context)


# The connection.


def test_send_of_every_kind(one, peer):
    with one.connect(peer(echo_back)) as ws:
        for sent, text, came in [
            ("é", None, "é"),
            ("é", False, "é".encode()),
            (b"x", None, b"x"),
            (b"x", True, "x"),
            (bytearray(b"ab"), None, b"ab"),
            (memoryview(b"abc")[1:], None, b"bc"),
            (["a", "b", "c"], None, "abc"),
            ((piece for piece in (b"1", b"2")), None, b"12"),
            ([b"1", b"2"], True, "12"),
            (["1", "2"], False, b"12"),
        ]:
            ws.send(sent, text=text)
            assert ws.recv() == came
        ws.send([])
        for wrong in ({"a": "b"}, 5, None, [5]):
            with pytest.raises(TypeError):
                ws.send(wrong)
            if wrong == [5]:
                break
        if one is WSDIAL:
            ws.send(array.array("i", [1, 2]))
            assert ws.recv() == array.array("i", [1, 2]).tobytes()


def test_send_of_mixed_pieces_ends_the_connection(one, peer):
    with one.connect(peer(echo_back)) as ws:
        with pytest.raises(TypeError):
            ws.send(["a", b"b"])
        with pytest.raises(one.exceptions.ConnectionClosedError) as caught:
            ws.recv()
        assert caught.value.sent.code == 1011


def test_recv_timeout_and_decode(one, peer):
    with one.connect(peer(echo_back)) as ws:
        for timeout in (0.01, 0, -1):
            with pytest.raises(TimeoutError):
                ws.recv(timeout=timeout)
        ws.send("é")
        assert ws.recv(5, False) == "é".encode()
        ws.send("é".encode())
        assert ws.recv(timeout=5, decode=True) == "é"
        ws.send(b"\xff")
        with pytest.raises(one.exceptions.ConnectionClosedError) as caught:
            ws.recv(decode=True)
        assert caught.value.sent.code == 1007
        assert isinstance(caught.value.__cause__, UnicodeDecodeError)


def test_recv_streaming(one, peer):
    def handler(connection):
        connection.send(["one ", "two ", "thrée"])
        connection.send([b"\xc3", b"\xa9"])
        connection.send("é")
        connection.recv()

    with one.connect(peer(handler)) as ws:
        assert "".join(ws.recv_streaming()) == "one two thrée"
        assert "".join(ws.recv_streaming(decode=True)) == "é"
        assert b"".join(ws.recv_streaming(decode=False)) == "é".encode()
        ws.send("bye")
        with pytest.raises(one.exceptions.ConnectionClosedOK):
            list(ws.recv_streaming())


def test_iteration(one, peer):
    def handler(connection):
        for number in range(10):
            connection.send(str(number))

    with one.connect(peer(handler)) as ws:
        assert list(ws) == [str(number) for number in range(10)]

    def failing(connection):
        connection.send("x")
        connection.close(1011)

    with one.connect(peer(failing)) as ws:
        with pytest.raises(one.exceptions.ConnectionClosedError):
            for message in ws:
                assert message == "x"


def test_ping_and_pong(one, peer):
    with one.connect(peer(echo_back), ping_interval=None) as ws:
        assert ws.ping().wait(5)
        assert 0 < ws.latency < 5
        first, second = ws.ping("first"), ws.ping(b"second")
        assert second.wait(5) and first.is_set()
        ws.pong()
        ws.pong("sign of life")
        ws.send("x")
        assert ws.recv() == "x"
        for call in (ws.ping, ws.pong):
            with pytest.raises(one.exceptions.ProtocolError):
                call(b"x" * 126)
            with pytest.raises(TypeError):
                call(5)


def test_ping_twice_and_ack_on_close(one, serve):
    def script(stream, request):
        stream.sendall(upgrade(request))
        stream.recv(4096)
        time.sleep(0.2)

    ws = one.connect(serve(script), ping_interval=None, close_timeout=0.2)
    waiting, acknowledged = ws.ping("a"), ws.ping("b", ack_on_close=True)
    with pytest.raises(one.exceptions.ConcurrencyError):
        ws.ping("a")
    with pytest.raises(one.exceptions.ConnectionClosed):
        ws.recv(timeout=5)
    assert acknowledged.wait(5) and not waiting.wait(0.01)


def test_the_server_closes(one, peer):
    for code, reason, kind in [(1001, "bye", "ConnectionClosedOK"), (4000, "bad", "ConnectionClosedError")]:
        with one.connect(peer(lambda connection, c=code, r=reason: connection.close(c, r))) as ws:
            with pytest.raises(one.exceptions.ConnectionClosed) as caught:
                ws.recv()
            assert type(caught.value).__name__ == kind
            error = caught.value
            assert (error.rcvd.code, error.rcvd.reason, error.rcvd_then_sent) == (code, reason, True)
            assert error.sent.code == code
            assert str(error).startswith(f"received {code} ")
            assert (ws.close_code, ws.close_reason) == (code, reason)
            for call in (lambda: ws.send("late"), ws.ping, ws.pong, ws.recv):
                with pytest.raises(getattr(one.exceptions, kind)):
                    call()
            ws.close()


def test_the_client_closes(one, peer):
    seen = queue.Queue()

    def handler(connection):
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        seen.put((connection.close_code, connection.close_reason))

    with one.connect(peer(handler)) as ws:
        assert ws.close_code is None and ws.close_reason is None and ws.state is one.State.OPEN
        ws.close(4001, "mine")
        ws.close(4002, "too late")
        assert ws.close_code == 4001 and ws.wait_closed(0) is True
        with pytest.raises(one.exceptions.ConnectionClosedError) as caught:
            ws.recv()
        assert caught.value.sent.reason == "mine" and caught.value.rcvd_then_sent is False
    assert seen.get(timeout=5) == (4001, "mine")


def test_bad_closes(one, peer):
    with one.connect(peer(echo_back)) as ws:
        for code, reason in [(1005, ""), (2999, ""), (1000, "x" * 124)]:
            with pytest.raises(one.exceptions.ProtocolError):
                ws.close(code, reason)


def test_leaving_with_an_exception(one, peer):
    seen = queue.Queue()

    def handler(connection):
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        seen.put(connection.close_code)

    with pytest.raises(ZeroDivisionError):
        with one.connect(peer(handler)):
            raise ZeroDivisionError
    assert seen.get(timeout=5) == 1011


def test_wait_closed(one, peer):
    with one.connect(peer(lambda connection: connection.recv(timeout=0.2) if connection else None)) as ws:
        assert ws.wait_closed(0.01) is False
        assert ws.wait_closed(5) is True


def test_facts(one, peer):
    uri = peer(echo_back)
    with one.connect(uri) as ws, one.connect(uri) as other:
        assert ws.remote_address == ("127.0.0.1", int(uri.rpartition(":")[2]))
        assert ws.local_address[0] == "127.0.0.1" and ws.local_address[1] > 0
        assert ws.id != other.id and ws.id.version == 4
        assert (ws.response.status_code, ws.response.reason_phrase) == (101, "Switching Protocols")
        assert ws.response.headers["upgrade"] == "websocket" and ws.response.body in (b"", None)
        assert ws.request.path == "/" and "Sec-WebSocket-Version" in ws.request.headers
        assert ws.close_timeout == 10


def test_a_second_receiver(one, peer):
    with one.connect(peer(echo_back)) as ws:
        results = queue.Queue()
        reader = threading.Thread(target=lambda: results.put(ws.recv()))
        reader.start()
        time.sleep(0.1)
        with pytest.raises(one.exceptions.ConcurrencyError):
            ws.recv(timeout=1)
        ws.send("for the first")
        assert results.get(timeout=5) == "for the first"
        reader.join(5)


# The exceptions.


@pytest.mark.parametrize(
    ("change", "kind", "cause"),
    [
        (lambda head: head.replace(b"websocket", b"h2c"), "InvalidUpgrade", None),
        (lambda head: head.replace(b"Connection: Upgrade", b"Connection: close"), "InvalidUpgrade", None),
        (lambda head: head.replace(b"Accept: ", b"Accept: x"), "InvalidHeaderValue", None),
        (lambda head: head[:-2] + b"Sec-WebSocket-Protocol: other\r\n\r\n", "NegotiationError", None),
        (lambda head: head[:-2] + b"Sec-WebSocket-Extensions: x-other\r\n\r\n", "NegotiationError", None),
        (lambda head: head[:-2] + b"no colon\r\n\r\n", "InvalidMessage", ValueError),
        (lambda head: head[:40], "InvalidMessage", EOFError),
        (lambda head: head[:-2] + b"A: b\r\n" * 300 + b"\r\n", "InvalidMessage", "TooManyHeaders"),
        (lambda head: head[:-2] + b"A: " + b"b" * 70_000 + b"\r\n\r\n", "InvalidMessage", "HeaderLineTooLong"),
    ],
)
def test_broken_handshakes(one, serve, change, kind, cause):
    def script(stream, request):
        stream.sendall(change(upgrade(request)))

    with pytest.raises(getattr(one.exceptions, kind)) as caught:
        one.connect(serve(script), subprotocols=["json"])
    assert isinstance(caught.value, one.exceptions.InvalidHandshake)
    if cause is not None:
        expected = getattr(one.exceptions, cause) if isinstance(cause, str) else cause
        assert isinstance(caught.value.__cause__, expected)


def test_rejection(one, peer):
    def reject(connection, request):
        return connection.respond(403, "not you: " + request.headers["X-Name"])

    with pytest.raises(one.exceptions.InvalidStatus) as caught:
        one.connect(peer(echo_back, process_request=reject), additional_headers={"X-Name": "me"})
    response = caught.value.response
    assert (response.status_code, response.reason_phrase, response.body) == (403, "Forbidden", b"not you: me")
    assert "403" in str(caught.value)


def test_redirects(one, peer, serve):
    uri = peer(headers_back)
    location = ""

    def script(stream, request):
        stream.sendall(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())

    location = uri + "/there"
    with one.connect(serve(script), additional_headers={"Authorization": "Bearer x", "X-Kept": "1"}) as ws:
        said = ws.recv()
        assert "Bearer" not in said and "X-Kept: 1" in said
        assert ws.request.path == "/there"

    def loop(connection, request):
        response = connection.respond(308, "")
        response.headers["Location"] = "/again"
        return response

    with pytest.raises(one.exceptions.SecurityError):
        one.connect(peer(echo_back, process_request=loop))


def test_addresses_that_cannot_be_dialed(one):
    for uri in ("", "localhost", "http://localhost", "ws://", "ws://localhost/#x"):
        with pytest.raises(one.exceptions.InvalidURI) as caught:
            one.connect(uri)
        assert caught.value.uri == uri and caught.value.msg


def test_a_lost_connection(one, serve):
    def script(stream, request):
        stream.sendall(upgrade(request) + b"\x81\x01x\x81\x05half")

    with one.connect(serve(script), close_timeout=0.1) as ws:
        assert ws.recv() == "x"
        with pytest.raises(one.exceptions.ConnectionClosedError) as caught:
            ws.recv()
        assert caught.value.rcvd is None
        assert ws.close_code == 1006 and ws.close_reason == ""


def test_a_violation(one, serve):
    def script(stream, request):
        stream.sendall(upgrade(request) + b"\x83\x00")
        stream.recv(4096)

    with one.connect(serve(script), close_timeout=0.1) as ws:
        with pytest.raises(one.exceptions.ConnectionClosedError) as caught:
            ws.recv()
        assert caught.value.sent.code == 1002 and "1002 (protocol error)" in str(caught.value)
        assert isinstance(caught.value.__cause__, one.exceptions.ProtocolError)


@NEEDS_MODEL
def test_the_tree_of_exceptions():
    for name in websockets.exceptions.__all__:
        theirs, ours = getattr(websockets.exceptions, name), getattr(wsdial, name)
        bases = {base.__name__ for base in theirs.__mro__}
        assert bases <= {base.__name__ for base in ours.__mro__}, name
        if "__init__" in vars(theirs):
            wanted = list(inspect.signature(theirs.__init__).parameters)
            assert name == "PayloadTooBig" or name == "TooManyFragments" or wanted == list(
                inspect.signature(ours.__init__).parameters
            ), name


def test_exceptions_can_be_pickled():
    for error in (
        wsdial.ConnectionClosedOK(wsdial.Close(1000, "x"), None),
        wsdial.InvalidURI("u", "m"),
        wsdial.InvalidStatus(wsdial.Response(403, "Forbidden", wsdial.Headers(a="b"), b"x")),
        wsdial.InvalidUpgrade("Upgrade", "x"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) and again.args == error.args


# The list.


def listed() -> dict[str, str]:
    lines = pathlib.Path(__file__).with_name("names.txt").read_text().splitlines()
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def names_of_websockets() -> set[str]:
    names = set(websockets.sync.client.__all__)
    for function in ("connect", "unix_connect", "reconnect", "unix_reconnect"):
        if hasattr(websockets.sync.client, function):
            parameters = inspect.signature(getattr(websockets.sync.client, function)).parameters
            names |= {f"connect({name})" for name in parameters if name not in ("kwargs", "uri", "path")}
    names |= {f"exceptions.{name}" for name in websockets.exceptions.__all__}
    return names


@NEEDS_MODEL
def test_every_name_is_listed(peer):
    with websockets.sync.client.connect(peer(echo_back)) as ws:
        attributes = {f".{name}" for name in dir(ws) if not name.startswith("_")}
    missing = (names_of_websockets() | attributes) - set(listed())
    assert not missing, f"names.txt has no line for {sorted(missing)}"


@NEEDS_MODEL
def test_every_listed_name_has_its_test_or_its_row():
    page = (ROOT / "docs/from-websockets.md").read_text()
    for name, where in listed().items():
        if where == "differs":
            assert f"`{name}`" in page, f"docs/from-websockets.md says nothing of {name}"
        else:
            assert callable(globals().get(where)), f"{name}: there is no test {where}"
            source = inspect.getsource(globals()[where])
            word = re.sub(r"^.*\((.*)\)$|^exceptions\.|^\.", r"\1", name)
            assert word in source or where == "test_the_tree_of_exceptions", f"{where} does not use {word}"
        if where != "differs" and name.startswith("connect("):
            assert name[8:-1] in inspect.signature(wsdial.reconnect).parameters or name in ("connect(legacy)",), name
