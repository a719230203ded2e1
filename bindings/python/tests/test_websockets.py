"""Against a server that nobody here wrote, and beside its client: the same calls, the same outcomes."""

from __future__ import annotations

import queue
import threading

import pytest
import websockets.exceptions
import websockets.sync.client
from websockets.sync.server import serve

import wsdial

CLIENTS = [wsdial.connect, websockets.sync.client.connect]


@pytest.fixture
def server():
    started = []

    def start(handler, **options):
        server = serve(handler, "127.0.0.1", 0, **options)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        started.append((server, thread))
        return "ws://127.0.0.1:%d" % server.socket.getsockname()[1]

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join(10)
        assert not thread.is_alive()


def echo(connection):
    for message in connection:
        connection.send(message)


def closed(name, connect):
    return getattr(wsdial if connect is wsdial.connect else websockets.exceptions, name)


@pytest.mark.parametrize("connect", CLIENTS)
def test_echo(server, connect):
    with connect(server(echo, subprotocols=["json"]), subprotocols=["chat", "json"]) as ws:
        assert ws.subprotocol == "json"
        for message in ["é", b"", b"\x00" * 100_000, "x" * 1_000_000]:
            ws.send(message)
            assert ws.recv(timeout=10) == message
    assert ws.close_code == 1000


@pytest.mark.parametrize("connect", CLIENTS)
def test_fragments_with_a_ping_between(server, connect):
    def handler(connection):
        pong = connection.ping()
        connection.send(["one ", "two ", "three"])
        assert pong.wait(10)
        connection.send("answered")

    with connect(server(handler)) as ws:
        assert [ws.recv(timeout=10), ws.recv(timeout=10)] == ["one two three", "answered"]


@pytest.mark.parametrize("connect", CLIENTS)
@pytest.mark.parametrize(("code", "reason", "kind"), [(1001, "bye", "OK"), (1011, "bad", "Error"), (4000, "", "Error")])
def test_the_server_closes(server, connect, code, reason, kind):
    with connect(server(lambda connection: connection.close(code, reason))) as ws:
        with pytest.raises(closed(f"ConnectionClosed{kind}", connect)):
            ws.recv(timeout=10)
        assert (ws.close_code, ws.close_reason) == (code, reason)
        with pytest.raises(closed(f"ConnectionClosed{kind}", connect)):
            ws.send("late")


@pytest.mark.parametrize("connect", CLIENTS)
def test_the_client_closes(server, connect):
    seen: queue.Queue[object] = queue.Queue()

    def handler(connection):
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        seen.put((connection.close_code, connection.close_reason))

    uri = server(handler)
    with connect(uri) as ws:
        ws.close(4001, "mine")
        ws.close(4002, "too late")
    assert ws.close_code == 4001
    assert seen.get(timeout=10) == (4001, "mine")


@pytest.mark.parametrize("connect", CLIENTS)
def test_rejection(server, connect):
    def reject(connection, request):
        return connection.respond(403, "not you: " + request.headers["X-Name"])

    with pytest.raises(closed("InvalidStatus", connect)) as caught:
        connect(server(echo, process_request=reject), additional_headers={"X-Name": "me"})
    assert caught.value.response.status_code == 403
    assert caught.value.response.body == b"not you: me"
