"""asyncio against a server that nobody here wrote, and beside its client: the same calls, the same outcomes."""

from __future__ import annotations

import array
import asyncio
import contextlib
import functools
import inspect
import logging
import pathlib
import re

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.exceptions
from conftest import ROOT, upgrade
from test_names import NEEDS_MODEL

import wsdial.aio
import wsdial.exceptions

CLIENTS = [
    pytest.param(wsdial.aio.connect, id="wsdial"),
    pytest.param(functools.partial(websockets.asyncio.client.connect), id="websockets", marks=NEEDS_MODEL),
]
clients = pytest.mark.parametrize("connect", CLIENTS)


def exceptions_of(connect):
    return wsdial.exceptions if connect is wsdial.aio.connect else websockets.exceptions


@contextlib.asynccontextmanager
async def serving(handler, **options):
    options.setdefault("max_size", None)
    async with websockets.asyncio.server.serve(handler, "127.0.0.1", 0, **options) as server:
        yield "ws://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]


async def echo(connection):
    async for message in connection:
        await connection.send(message)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@clients
def test_echo(connect):
    async def main():
        async with serving(echo, subprotocols=["json"]) as uri:
            async with connect(uri, subprotocols=["chat", "json"]) as ws:
                assert ws.subprotocol == "json"
                for message in ["é", b"", "", b"\x00" * 100_000, "x" * 1_000_000]:
                    await ws.send(message)
                    assert await ws.recv() == message
                assert ws.close_code is ws.close_reason is None
                assert ws.request.headers["Host"] in uri and ws.response.status_code == 101
                assert ws.response.headers["Upgrade"] == "websocket"
                assert ws.remote_address[0] == "127.0.0.1" and len(ws.local_address) == 2
                assert ws.id == ws.id and ws.state.name == "OPEN"
            assert (ws.close_code, ws.close_reason, ws.state.name) == (1000, "", "CLOSED")
            assert ws.remote_address[0] == "127.0.0.1"

    run(main())


@clients
def test_text_and_decode_say_otherwise(connect):
    async def main():
        async with serving(echo) as uri, connect(uri) as ws:
            await ws.send("é", text=False)
            assert await ws.recv() == "é".encode()
            await ws.send("é".encode(), text=True)
            assert await ws.recv() == "é"
            await ws.send("é")
            assert await ws.recv(decode=False) == "é".encode()
            await ws.send("é".encode())
            assert await ws.recv(decode=True) == "é"
            for piece in (bytearray(b"abc"), memoryview(b"abc")):
                await ws.send(piece)
                assert await ws.recv() == b"abc"
            for message in (3, None, {"a": 1}):
                with pytest.raises(TypeError):
                    await ws.send(message)
            await ws.send("still here")
            assert await ws.recv() == "still here"

    run(main())


def test_more_than_bytes_is_bytes_like():
    async def main():
        async with serving(echo) as uri, wsdial.aio.connect(uri) as ws:
            await ws.send(array.array("H", [1, 2]))
            assert await ws.recv() == array.array("H", [1, 2]).tobytes()
            await ws.send(memoryview(b"aXbXcX")[::2])
            assert await ws.recv() == b"abc"
            with pytest.raises(ValueError):
                await ws.send(b"\xff", text=True)
            await ws.send("still here")
            assert await ws.recv() == "still here"

    run(main())


@clients
def test_binary_that_is_no_text_ends_the_connection_when_text_is_asked_for(connect):
    async def main():
        async with serving(echo) as uri, connect(uri) as ws:
            await ws.send(b"\xff")
            with pytest.raises(exceptions_of(connect).ConnectionClosedError) as caught:
                await ws.recv(decode=True)
            assert isinstance(caught.value.__cause__, UnicodeDecodeError)
            assert caught.value.sent.code == 1007

    run(main())


@clients
def test_fragments(connect):
    seen = []

    async def collect(connection):
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            while True:
                seen.append([piece async for piece in connection.recv_streaming()])
                await connection.send("next")

    async def later(items):
        for item in items:
            await asyncio.sleep(0)
            yield item

    async def main():
        async with serving(collect) as uri, connect(uri) as ws:
            for message in (["one ", "two"], (b"1", bytearray(b"2"), memoryview(b"3")), iter(["a"]), later(["b", "c"])):
                await ws.send(message)
                assert await ws.recv() == "next"
            await ws.send([])
            await ws.send([b"as", b" text"], text=True)
            assert await ws.recv() == "next"
        assert ["".join(map(str, map(lambda p: p if isinstance(p, str) else p.decode(), m))) for m in seen] == [
            "one two",
            "123",
            "a",
            "bc",
            "as text",
        ]
        assert isinstance(seen[0][0], str) and isinstance(seen[1][0], bytes) and isinstance(seen[4][0], str)
        assert len(seen[0]) >= 2

    run(main())


@clients
def test_an_error_in_the_middle_of_fragments_ends_the_connection(connect):
    def failing():
        yield "one"
        yield "two"
        raise ZeroDivisionError

    async def main():
        async with serving(echo) as uri:
            async with connect(uri) as ws:
                with pytest.raises(ZeroDivisionError):
                    await ws.send(failing())
                with pytest.raises(exceptions_of(connect).ConnectionClosedError) as caught:
                    await ws.recv()
                assert caught.value.sent.code == 1011
            async with connect(uri) as ws:
                with pytest.raises(TypeError):
                    await ws.send(["one", b"two", "three"])
                with pytest.raises(exceptions_of(connect).ConnectionClosedError):
                    await ws.recv()

    run(main())


@clients
def test_other_messages_wait_for_the_end_of_fragments(connect):
    async def main():
        async with serving(echo) as uri, connect(uri) as ws:
            go = asyncio.Event()

            async def slow():
                yield "1"
                await go.wait()
                yield "2"

            first = asyncio.create_task(ws.send(slow()))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(ws.send("after"))
            await asyncio.sleep(0.05)
            assert not first.done() and not second.done()
            await (await ws.ping())  # goes between
            go.set()
            assert [await ws.recv(), await ws.recv()] == ["12", "after"]
            await first
            await second

    run(main())


@clients
def test_streaming(connect):
    async def handler(connection):
        await connection.send(["é", "b", "c"])
        await connection.send(b"whole")
        await connection.send("")
        await connection.send([b"x" * 100_000] * 20)
        await connection.send("end")
        await connection.wait_closed()

    async def main():
        async with serving(handler) as uri, connect(uri, max_size=None) as ws:
            assert "".join([piece async for piece in ws.recv_streaming()]) == "ébc"
            assert b"".join([piece async for piece in ws.recv_streaming()]) == b"whole"
            assert [piece async for piece in ws.recv_streaming()] == [""]
            total = 0
            async for piece in ws.recv_streaming():
                assert set(piece) <= {120}
                total += len(piece)
            assert total == 2_000_000
            assert [piece async for piece in ws.recv_streaming(decode=False)] == [b"end"]

    run(main())


@clients
@pytest.mark.parametrize(
    ("code", "reason", "kind"), [(1000, "", "OK"), (1001, "bye", "OK"), (1011, "bad", "Error"), (4000, "", "Error")]
)
def test_the_server_closes(connect, code, reason, kind):
    async def handler(connection):
        await connection.send("last")
        await connection.close(code, reason)

    async def main():
        async with serving(handler) as uri, connect(uri) as ws:
            expected = getattr(exceptions_of(connect), f"ConnectionClosed{kind}")
            assert await ws.recv() == "last"
            for call in (ws.recv, ws.recv, ws.ping, ws.pong, functools.partial(ws.send, "late")):
                with pytest.raises(expected) as caught:
                    await call()
                assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, reason)
                assert (caught.value.sent.code, caught.value.rcvd_then_sent) == (code, True)
            await ws.wait_closed()
            assert (ws.close_code, ws.close_reason) == (code, reason)

    run(main())


@clients
def test_iteration_ends_with_the_close(connect):
    async def handler(connection):
        await connection.send("a")
        await connection.send(b"b")
        if connection.request.path == "/bad":
            await connection.close(1011)

    async def main():
        async with serving(handler) as uri:
            async with connect(uri) as ws:
                assert [message async for message in ws] == ["a", b"b"]
            async with connect(uri + "bad") as ws:
                with pytest.raises(exceptions_of(connect).ConnectionClosedError):
                    async for _ in ws:
                        pass

    run(main())


@clients
def test_the_client_closes(connect):
    async def main():
        seen = asyncio.Queue()

        async def handler(connection):
            await connection.send("before")
            await connection.wait_closed()
            await seen.put((connection.close_code, connection.close_reason))

        async with serving(handler) as uri:
            async with connect(uri) as ws:
                waiting = asyncio.create_task(ws.wait_closed())
                await asyncio.sleep(0.05)
                await ws.close(4001, "mine")
                await ws.close(4002, "too late")
                await waiting
                # What came before the close is not lost.
                assert await ws.recv() == "before"
                with pytest.raises(exceptions_of(connect).ConnectionClosed) as caught:
                    await ws.recv()
                assert caught.value.rcvd_then_sent is False
            assert (ws.close_code, ws.close_reason) == (4001, "mine")
            assert await seen.get() == (4001, "mine")

    run(main())


@clients
def test_an_exception_inside_closes_with_1011(connect):
    async def main():
        seen = asyncio.Queue()

        async def handler(connection):
            await connection.wait_closed()
            await seen.put(connection.close_code)

        async with serving(handler) as uri:
            with pytest.raises(ZeroDivisionError):
                async with connect(uri):
                    raise ZeroDivisionError
            assert await seen.get() == 1011

    run(main())


@clients
def test_close_wakes_a_receiver(connect):
    async def main():
        async with serving(echo) as uri, connect(uri) as ws:
            receiver = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            await ws.close()
            with pytest.raises(exceptions_of(connect).ConnectionClosedOK):
                await receiver

    run(main())


@clients
def test_pings(connect):
    async def main():
        async with serving(echo) as uri, connect(uri, ping_interval=None) as ws:
            assert ws.latency == 0
            latency = await (await ws.ping())
            assert 0 < latency < 10 and ws.latency == latency
            first, second, third = await ws.ping("é"), await ws.ping(bytearray(b"b")), await ws.ping()
            with pytest.raises(exceptions_of(connect).ConcurrencyError):
                await ws.ping("é")
            await asyncio.gather(first, second, third)
            assert await (await ws.ping("é")) > 0
            await ws.pong()
            await ws.pong("text")
            await ws.pong(memoryview(b"x"))
            for call in (ws.ping, ws.pong):
                with pytest.raises(TypeError):
                    await call(3)
            for message in ("in", "order"):
                await ws.send(message)
            assert await (await ws.ping()) > 0
            assert [await ws.recv(), await ws.recv()] == ["in", "order"]

    run(main())


@clients
def test_a_second_receiver_is_told_so(connect):
    async def main():
        async with serving(echo) as uri, connect(uri) as ws:
            receiver = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            with pytest.raises(exceptions_of(connect).ConcurrencyError):
                await ws.recv()
            with pytest.raises(exceptions_of(connect).ConcurrencyError):
                async for _ in ws.recv_streaming():
                    pass
            await ws.send("for the first")
            assert await receiver == "for the first"

    run(main())


@clients
def test_rejection(connect):
    def reject(connection, request):
        return connection.respond(403, "not you: " + request.headers["X-Name"])

    async def main():
        async with serving(echo, process_request=reject) as uri:
            with pytest.raises(exceptions_of(connect).InvalidStatus) as caught:
                await connect(uri, additional_headers={"X-Name": "me"})
            assert caught.value.response.status_code == 403
            assert caught.value.response.body == b"not you: me"

    run(main())


@clients
def test_redirects(connect):
    def answer(connection, request):
        if request.path == "/":
            assert request.headers["Authorization"] == "Bearer x"
            response = connection.respond(302, "")
            response.headers["Location"] = "/second"
            return response
        if request.path == "/loop":
            response = connection.respond(302, "")
            response.headers["Location"] = "/loop"
            return response
        return None

    async def main():
        async with serving(echo, process_request=answer) as uri:
            async with connect(uri, additional_headers={"Authorization": "Bearer x"}) as ws:
                assert ws.request.path == "/second"
                await ws.send("there")
                assert await ws.recv() == "there"
            with pytest.raises(exceptions_of(connect).SecurityError):
                await connect(uri + "loop")

    run(main())


@clients
def test_reconnecting(connect):
    visits = []

    async def handler(connection):
        visits.append(connection.request.path)
        await connection.send(str(len(visits)))

    def answer(connection, request):
        if len(visits) == 1:
            visits.append("refused")
            return connection.respond(503, "")
        return None

    async def main():
        seen = []
        async with serving(handler, process_request=answer) as uri:
            async for ws in connect(uri, reconnect_delays=lambda: iter([0.01, 0.02])):
                seen.append(await ws.recv())
                if len(seen) == 3:
                    break
            assert seen == ["1", "3", "4"]
            async for ws in connect(uri, reconnect_delays=lambda: iter([0.01])):
                with pytest.raises(exceptions_of(connect).ConnectionClosedOK):
                    while True:
                        await ws.recv()
                break

    run(main())


@clients
def test_what_is_fatal_is_for_process_exception_to_say(connect):
    async def main():
        async with serving(echo, process_request=lambda connection, request: connection.respond(404, "")) as uri:
            with pytest.raises(exceptions_of(connect).InvalidStatus):
                async for _ in connect(uri):
                    pass
            with pytest.raises(ZeroDivisionError) as caught:
                async for _ in connect(uri, process_exception=lambda error: ZeroDivisionError()):
                    pass
            assert isinstance(caught.value.__cause__, exceptions_of(connect).InvalidStatus)

    run(main())


@clients
def test_unix(connect, tmp_path):
    unix_connect = wsdial.aio.unix_connect
    if connect is not wsdial.aio.connect:
        unix_connect = websockets.asyncio.client.unix_connect
    path = str(tmp_path / "socket")

    async def main():
        async with websockets.asyncio.server.unix_serve(echo, path), unix_connect(path, "ws://here/x") as ws:
            assert ws.request.headers["Host"] == "here" and ws.request.path == "/x"
            await ws.send("there")
            assert await ws.recv() == "there"

    run(main())


@clients
def test_a_logger_and_a_class_of_ones_own(connect, caplog):
    base = wsdial.aio.ClientConnection
    if connect is not wsdial.aio.connect:
        base = websockets.asyncio.client.ClientConnection

    class Mine(base):
        def hello(self):
            return "hello"

    async def main():
        logger = logging.getLogger("mine")
        async with serving(echo) as uri, connect(uri, create_connection=Mine, logger=logger) as ws:
            assert ws.hello() == "hello"
            ws.logger.warning("said")

    run(main())
    record = next(record for record in caplog.records if record.name == "mine" and record.msg == "said")
    assert hasattr(record, "websocket")


@clients
@pytest.mark.parametrize("uri", ["", "localhost", "http://localhost", "ws://", "ws://localhost/#x"])
def test_bad_addresses(connect, uri):
    with pytest.raises(exceptions_of(connect).InvalidURI) as caught:
        connect(uri)
    assert caught.value.uri == uri


@clients
def test_timeouts_of_the_dial(connect):
    async def main():
        accepted = []

        async def silent(reader, writer):
            accepted.append(writer)
            await reader.read()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        uri = "ws://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError, match="opening handshake"):
            await connect(uri, open_timeout=0.1)
        for writer in accepted:
            writer.close()
        server.close()

    run(main())


@clients
def test_nobody_listening(connect):
    async def main():
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await connect(f"ws://127.0.0.1:{port}")

    run(main())


@clients
def test_keywords_of_the_request(connect):
    async def handler(connection):
        await connection.send("\n".join(f"{name}: {value}" for name, value in connection.request.headers.raw_items()))

    async def main():
        async with serving(handler) as uri:
            headers = [("X-One", "1"), ("X-One", "2")]
            async with connect(uri, origin="https://here.example", additional_headers=headers) as ws:
                said = await ws.recv()
                assert "Origin: https://here.example" in said and "X-One: 1\nX-One: 2" in said
                assert "User-Agent: Python/" in said
            async with connect(uri, user_agent_header="mine", additional_headers={"X-One": "3"}) as ws:
                said = await ws.recv()
                assert "User-Agent: mine" in said and "X-One: 3" in said
            async with connect(uri, user_agent_header=None) as ws:
                assert "User-Agent" not in await ws.recv()

    run(main())


@clients
def test_compression(connect):
    async def handler(connection):
        await connection.send(connection.response.headers.get("Sec-WebSocket-Extensions", ""))
        async for message in connection:
            await connection.send(message)

    async def main():
        async with serving(handler) as uri:
            async with connect(uri) as ws:
                assert "permessage-deflate" in await ws.recv()
                for message in ("text " * 10_000, b"x" * 500_000, "", "short"):
                    await ws.send(message)
                    assert await ws.recv() == message
            async with connect(uri, compression=None) as ws:
                assert await ws.recv() == ""
        with pytest.raises(ValueError):
            connect("ws://localhost", compression="zip")

    run(main())


@clients
def test_keepalive(connect):
    async def main():
        async with serving(echo) as uri:
            async with connect(uri, ping_interval=0.02) as ws:
                assert ws.latency == 0
                while not ws.latency:
                    await asyncio.sleep(0.01)
                assert 0 < ws.latency < 5
            async with connect(uri, ping_interval=None) as ws:
                await asyncio.sleep(0.1)
                assert ws.latency == 0

    run(main())


@contextlib.asynccontextmanager
async def answering(then):
    """A server that agrees, and then does what it is told."""

    async def accept(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.write(upgrade(await reader.readuntil(b"\r\n\r\n")))
            await then(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield "ws://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def deaf(reader, writer):
    await reader.read()


@clients
def test_a_ping_without_a_pong_ends_the_connection(connect):
    async def main():
        async with answering(deaf) as uri:
            ws = await connect(uri, ping_interval=0.05, ping_timeout=0.05, close_timeout=0.1)
            waiting = await ws.ping()
            for call in (ws.recv(), waiting):
                with pytest.raises(exceptions_of(connect).ConnectionClosedError):
                    await call
            assert ws.close_code == 1006
            ws = await connect(uri, ping_interval=0.02, ping_timeout=None, close_timeout=0.1)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.2)
            await ws.close()

    run(main())


@clients
def test_close_timeout(connect):
    async def main():
        async with answering(deaf) as uri:
            ws = await connect(uri, close_timeout=0.1)
            began = asyncio.get_running_loop().time()
            await ws.close()
            assert 0.1 <= asyncio.get_running_loop().time() - began < 2
            assert ws.close_code == 1006

    run(main())


@clients
def test_max_size(connect):
    async def handler(connection):
        await connection.send(b"x" * 2**20)
        await connection.send(b"x" * (2**20 + 1))
        await connection.wait_closed()

    async def main():
        async with serving(handler) as uri:
            async with connect(uri) as ws:
                assert len(await ws.recv()) == 2**20
                with pytest.raises(exceptions_of(connect).ConnectionClosedError) as caught:
                    await ws.recv()
                assert caught.value.sent.code == 1009
                assert isinstance(caught.value.__cause__, exceptions_of(connect).PayloadTooBig)
            async with connect(uri, max_size=None) as ws:
                assert [len(await ws.recv()), len(await ws.recv())] == [2**20, 2**20 + 1]

    run(main())


@clients
def test_max_queue(connect):
    sent = 0

    async def flood(reader, writer):
        nonlocal sent
        sent = 0
        for _ in range(400):
            writer.write(b"\x82\x7e\xff\xff" + bytes(65535))
            await writer.drain()
            sent += 1
        writer.write(b"\x88\x02\x03\xe8")
        await reader.readexactly(8)

    async def main():
        async with answering(flood) as uri:
            for max_queue in (2, (2, 1)):
                async with connect(uri, max_queue=max_queue, compression=None) as ws:
                    before = -1
                    while before != sent:
                        before = sent
                        await asyncio.sleep(0.1)
                    assert sent < 400
                    assert sum([len(message) async for message in ws]) == 400 * 65535

    run(main())


@clients
def test_write_limit(connect):
    async def main():
        async with answering(lambda reader, writer: asyncio.sleep(30)) as uri:
            for write_limit in (2**15, (2**15, 2**10)):
                ws = await connect(uri, write_limit=write_limit, close_timeout=0.1, compression=None)
                with pytest.raises(asyncio.TimeoutError):
                    while True:
                        await asyncio.wait_for(ws.send(b"x" * 200_000), 0.3)
                ws.transport.abort()
                await ws.wait_closed()

    run(main())


@clients
def test_loop_and_transport(connect):
    async def main():
        async with serving(echo) as uri, connect(uri) as ws:
            assert ws.loop is asyncio.get_running_loop()
            assert ws.transport.get_extra_info("peername") == ws.remote_address

    run(main())


@clients
def test_limits_can_be_read(connect):
    async def main():
        async with serving(echo) as uri, connect(uri, ping_interval=7, ping_timeout=8, close_timeout=9) as ws:
            assert (ws.ping_interval, ws.ping_timeout, ws.close_timeout) == (7, 8, 9)

    run(main())


@clients
def test_proxy(connect, monkeypatch):
    asked = []

    async def relay(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        asked.append(request.split(b"\r\n")[0].decode())
        host, _, port = asked[-1].split()[1].rpartition(":")
        other_reader, other_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def copy(source, target):
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))

    async def main():
        proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
        address = "http://127.0.0.1:%d" % proxy.sockets[0].getsockname()[1]
        async with serving(echo) as uri:
            async with connect(uri, proxy=address) as ws:
                await ws.send("through")
                assert await ws.recv() == "through"
            assert len(asked) == 1 and asked[0].startswith("CONNECT 127.0.0.1:")
            monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
            monkeypatch.setenv("no_proxy", "")
            async with connect(uri, proxy=None) as ws:
                assert await (await ws.ping()) > 0
            with pytest.raises(exceptions_of(connect).InvalidProxy):
                await connect(uri, proxy="ftp://127.0.0.1")
            with pytest.raises(OSError):
                await connect("ws://wsdial.example/", proxy=True)
        proxy.close()

    run(main())


# The list.


def listed():
    lines = pathlib.Path(__file__).with_name("names_aio.txt").read_text().splitlines()
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def names_of_websockets(connection):
    names = set(websockets.asyncio.client.__all__)
    parameters = inspect.signature(websockets.asyncio.client.connect.__init__).parameters
    names |= {f"connect({name})" for name in parameters if name not in ("self", "uri", "kwargs")}
    return names | {f".{name}" for name in dir(connection) if not name.startswith("_")}


@NEEDS_MODEL
def test_every_name_is_listed():
    async def main():
        async with serving(echo) as uri, websockets.asyncio.client.connect(uri) as ws:
            return names_of_websockets(ws)

    missing = run(main()) - set(listed())
    assert not missing, f"names_aio.txt has no line for {sorted(missing)}"


@NEEDS_MODEL
def test_every_listed_name_has_its_test_or_its_row():
    page = (ROOT / "docs/from-websockets-asyncio.md").read_text()
    for name, where in listed().items():
        word = re.sub(r"^.*\((.*)\)$|^\.", r"\1", name)
        if where == "differs":
            assert f"`{word}`" in page, f"docs/from-websockets-asyncio.md says nothing of {word}"
            continue
        assert word in inspect.getsource(globals()[where]), f"{where} does not use {word}"
        if name.startswith("connect("):
            ours, theirs = (
                inspect.signature(one.__init__).parameters[word]
                for one in (wsdial.aio.connect, websockets.asyncio.client.connect)
            )
            if word not in ("user_agent_header", "process_exception", "reconnect_delays"):
                assert ours.default == theirs.default, word
