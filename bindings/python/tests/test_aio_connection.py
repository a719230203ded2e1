"""asyncio where a server must do what no decent one does: bare sockets with a script, and what is looked at from inside."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pickle
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import warnings
import zlib

import pytest

import wsdial.aio
import wsdial.aio.wire
import wsdial.exceptions
from conftest import upgrade


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@contextlib.asynccontextmanager
async def scripted(script):
    """A server whose clients' streams and requests go to ``script``."""
    tasks = set()

    async def accept(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            await script(reader, writer, request)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, which its test will say if it should not have
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield "ws://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def frame(opcode, payload, final=True):
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([opcode | (128 if final else 0)]) + length + payload


# Receiving and cancelling.


def test_a_cancelled_recv_loses_nothing():
    go = None

    async def script(reader, writer, request):
        writer.write(upgrade(request) + b"\x81\x05he")
        await go.wait()
        writer.write(b"llo" + frame(1, b"second"))
        await reader.read()

    async def main():
        nonlocal go
        go = asyncio.Event()
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri, close_timeout=0.1)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.05)
            receiver = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            receiver.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiver
            receiver = asyncio.create_task(ws.recv())
            await asyncio.sleep(0)
            go.set()
            # The message is here and its receiver woken: cancelled all the same, it takes none of them with it.
            while not ws._wire.queue:
                await asyncio.sleep(0)
            if receiver.cancel():
                with contextlib.suppress(asyncio.CancelledError):
                    await receiver
            else:
                assert await receiver == "hello"
            rest = [await ws.recv(), await ws.recv()] if receiver.cancelled() else [receiver.result(), await ws.recv()]
            assert rest == ["hello", "second"]
            await ws.close()

    run(main())


def test_a_cancelled_streaming_before_its_first_piece_loses_nothing():
    async def script(reader, writer, request):
        writer.write(upgrade(request))
        await reader.readexactly(7)
        writer.write(frame(1, b"here"))
        await reader.read()

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri, close_timeout=0.1)
            stream = ws.recv_streaming()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(stream.__anext__(), 0.05)
            await ws.send(b"x")
            assert await ws.recv() == "here"
            await ws.close()

    run(main())


def test_pieces_that_were_left_leave_the_rest_to_nobody():
    async def script(reader, writer, request):
        writer.write(upgrade(request) + frame(1, b"a", final=False))
        await reader.readexactly(7)
        writer.write(frame(0, b"b"))
        await reader.read()

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri, close_timeout=0.1)
            stream = ws.recv_streaming()
            assert await stream.__anext__() == "a"
            await stream.aclose()
            with pytest.raises(wsdial.exceptions.ConcurrencyError):
                await ws.recv()
            await ws.close()

    run(main())


@pytest.mark.parametrize(
    ("frames", "close_code", "error_code"),
    [
        (b"\x81\x05he", 1006, -801),  # cut
        (b"\x83\x00", 1002, -602),  # a reserved opcode
        (b"\x81\x01\xff", 1007, -620),  # no UTF-8
        (b"\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01", 1009, -701),  # 1 MiB and a byte
    ],
)
def test_violations(frames, close_code, error_code):
    told = []

    async def script(reader, writer, request):
        writer.write(upgrade(request) + frame(1, b"before") + frames)
        if close_code != 1006:
            answer = await reader.readexactly(8)
            told.append(int.from_bytes(bytes(a ^ b for a, b in zip(answer[6:8], answer[2:4])), "big"))

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri)
            assert await ws.recv() == "before"
            for _ in range(2):
                with pytest.raises(wsdial.exceptions.ConnectionClosedError) as caught:
                    await ws.recv()
            assert caught.value.error_code == error_code
            assert (caught.value.sent.code if caught.value.sent else 1006) == close_code
            await ws.close()
            assert ws.close_code == 1006
            assert told == ([] if close_code == 1006 else [close_code])

    run(main())


def test_a_violation_behind_a_message_that_is_being_answered(monkeypatch):
    """What ends the connection is met after the answer, though it came while whoever receives had the message in hand."""
    monkeypatch.setattr("wsdial.aio.wire.SOON", 5)

    async def main():
        received, written, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
        answers = []

        async def script(reader, writer, request):
            writer.write(upgrade(request) + frame(1, b"before"))
            await received.wait()
            writer.write(b"\xc1\x00")
            written.set()
            answers.append((await reader.readexactly(6 + len("before")))[0])
            answers.append((await reader.readexactly(8))[0])
            answered.set()

        async with scripted(script) as uri, wsdial.aio.connect(uri) as ws:
            # A task of its own receives, as `wait_for` has one before 3.12: the answer is a few turns of the loop later.
            message = await asyncio.create_task(ws.recv())
            received.set()
            await written.wait()
            while not ws._wire.more:
                await asyncio.sleep(0)
            await ws.send(message)
            with pytest.raises(wsdial.exceptions.ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.error_code == -601
            await asyncio.wait_for(answered.wait(), 2)
            assert answers == [0x81, 0x88]

    run(main())


def test_compressed_messages_of_one_read_come_with_one_call(monkeypatch):
    """And what is behind them, which is wrong, still comes behind them."""
    deflate = zlib.compressobj(wbits=-15)

    def compressed(data):
        return frame(0x41, (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4])

    async def script(reader, writer, request):
        messages = b"".join(compressed(b"message %d " % number * 5) for number in range(50))
        plain = frame(1, b"in between")
        writer.write(upgrade(request, "Sec-WebSocket-Extensions: permessage-deflate"))
        writer.write(messages + plain + compressed(b"the last one") + b"\x83\x00")
        await reader.readexactly(8)

    batches = []
    take = wsdial.aio.wire.Wire.take
    monkeypatch.setattr(wsdial.aio.wire.Wire, "take", lambda self, batch: (batches.append(batch.count), take(self, batch)))

    async def main():
        async with scripted(script) as uri, wsdial.aio.connect(uri) as ws:
            for number in range(50):
                assert await ws.recv() == f"message {number} " * 5
            assert (await ws.recv(), await ws.recv()) == ("in between", "the last one")
            with pytest.raises(wsdial.exceptions.ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.error_code == -602
            # One, but for what the handshake's read brought and what came in segments of its own.
            assert sum(batches) == 52 and len(batches) <= 4

    run(main())


def test_a_violation_is_met_though_nobody_answers():
    async def script(reader, writer, request):
        writer.write(upgrade(request) + frame(1, b"before"))
        await reader.readexactly(6)
        writer.write(b"\xc1\x00")
        ended.set_result((await reader.readexactly(8))[0])

    async def main():
        nonlocal ended
        ended = asyncio.get_running_loop().create_future()
        async with scripted(script) as uri, wsdial.aio.connect(uri) as ws:
            assert await ws.recv() == "before"
            await ws.send("")
            assert await asyncio.wait_for(ended, 2) == 0x88

    ended = None
    run(main())


def test_a_message_behind_the_answer_and_a_close_in_one_segment():
    async def script(reader, writer, request):
        writer.write(upgrade(request) + frame(1, b"a") + frame(2, b"b") + frame(8, b"\x03\xe8done"))
        assert (await reader.readexactly(8))[0] == 0x88

    async def main():
        async with scripted(script) as uri, wsdial.aio.connect(uri) as ws:
            assert [message async for message in ws] == ["a", b"b"]
            assert (ws.close_code, ws.close_reason) == (1000, "done")

    run(main())


def test_broken_handshakes():
    async def main():
        changes = [
            (lambda head: head.replace(b"websocket", b"h2c"), wsdial.exceptions.InvalidUpgrade),
            (lambda head: head.replace(b"Accept: ", b"Accept: x"), wsdial.exceptions.InvalidHeader),
            (lambda head: head[:-2] + b"Sec-WebSocket-Protocol: x\r\n\r\n", wsdial.exceptions.NegotiationError),
            (lambda head: head[:-2] + b"no colon\r\n\r\n", wsdial.exceptions.InvalidMessage),
            (lambda head: head[:40], wsdial.exceptions.InvalidMessage),
        ]
        for change, exception in changes:

            async def script(reader, writer, request, change=change):
                writer.write(change(upgrade(request)))

            async with scripted(script) as uri:
                with pytest.raises(exception) as caught:
                    await wsdial.aio.connect(uri, subprotocols=["json"])
                assert caught.value.error_code < -501

    run(main())


# Backpressure.


def test_messages_that_nobody_takes_make_the_server_wait():
    message = frame(2, b"x" * 60_000)
    sent = 0

    async def script(reader, writer, request):
        nonlocal sent
        writer.write(upgrade(request))
        for _ in range(2000):
            writer.write(message)
            await writer.drain()
            sent += 1
        writer.write(frame(8, b"\x03\xe8"))
        await reader.readexactly(8)

    async def main():
        async with scripted(script) as uri, wsdial.aio.connect(uri, max_queue=4) as ws:
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.1)
            assert sent < 1000 and ws._wire.reading_paused
            assert len(ws._wire.queue) < 50
            count = 0
            async for taken in ws:
                count += len(taken)
            assert count == 2000 * 60_000

    run(main())


def test_a_close_comes_through_messages_that_nobody_takes():
    async def script(reader, writer, request):
        writer.write(upgrade(request) + frame(1, b"x" * 1000) * 20_000)
        await writer.drain()
        while (await reader.readexactly(1))[0] != 0x88:
            pass
        writer.write(frame(8, b"\x03\xe8"))

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri, max_queue=4)
            while not ws._wire.reading_paused:
                await asyncio.sleep(0.01)
            await asyncio.wait_for(ws.close(), 5)
            assert ws.close_code == 1000
            # What had come before stays for a receiver.
            assert await ws.recv() == "x" * 1000

    run(main())


def test_send_waits_for_a_slow_server_and_is_taken_whole_or_not_at_all():
    go = None
    received = bytearray()

    async def script(reader, writer, request):
        writer.write(upgrade(request))
        await go.wait()
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(14)
                assert head[:2] == b"\x82\xff"
                payload = await reader.readexactly(int.from_bytes(head[2:10], "big"))
                received.append(payload[0] ^ head[10])

    async def main():
        nonlocal go
        go = asyncio.Event()
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri, close_timeout=1, compression=None)
            tasks = [asyncio.create_task(ws.send(bytes([n]) * 300_000)) for n in range(40)]
            done, waiting = await asyncio.wait(tasks, timeout=0.3)
            assert waiting
            assert ws._wire.unsent < 20_000_000
            for task in list(waiting)[::2]:
                task.cancel()
            await asyncio.sleep(0)
            go.set()
            await asyncio.wait(tasks)
            await ws.send(b"\xff" * 300_000)
            await ws.close()
            # In order, each once; of the cancelled ones as many as were taken.
            assert list(received) == sorted(set(received)) and received[-1] == 255
            assert {n for n, task in enumerate(tasks) if not task.cancelled()} <= set(received)

    run(main())


def test_a_lost_connection_wakes_a_sender():
    async def script(reader, writer, request):
        writer.write(upgrade(request))
        await asyncio.sleep(0.2)
        writer.transport.abort()

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri)
            with pytest.raises(wsdial.exceptions.ConnectionClosedError):
                while True:
                    await ws.send(b"x" * 1_000_000)
            with pytest.raises(wsdial.exceptions.ConnectionClosedError):
                await ws.recv()
            assert ws.close_code == 1006

    run(main())


# Time.


def test_pings_are_answered_though_nobody_receives():
    seen = []

    async def script(reader, writer, request):
        writer.write(upgrade(request) + frame(1, b"unread") + frame(9, b"hi"))
        answer = await reader.readexactly(8)
        seen.append((answer[0], bytes(a ^ b for a, b in zip(answer[6:], answer[2:]))))

    async def main():
        async with scripted(script) as uri, wsdial.aio.connect(uri, close_timeout=0.1):
            while not seen:
                await asyncio.sleep(0.01)
            assert seen == [(0x8A, b"hi")]

    run(main())


def test_pings_that_come_together_are_answered_one_by_one():
    seen = []

    async def script(reader, writer, request):
        writer.write(upgrade(request) + b"".join(frame(9, bytes([65 + n])) for n in range(10)))
        for _ in range(10):
            answer = await reader.readexactly(7)
            seen.append(answer[6] ^ answer[2])

    async def main():
        async with scripted(script) as uri, wsdial.aio.connect(uri, close_timeout=0.1):
            while len(seen) < 10:
                await asyncio.sleep(0.01)
            assert bytes(seen) == b"ABCDEFGHIJ"

    run(main())


def test_messages_can_be_answered_before_what_is_wrong_behind_them():
    seen = []

    async def script(reader, writer, request):
        writer.write(upgrade(request) + frame(2, b"a") + frame(2, b"b") + b"\x83\x00")
        for _ in range(2):
            seen.append((await reader.readexactly(7))[0])
        seen.append((await reader.readexactly(2))[0])

    async def main():
        async with scripted(script) as uri, wsdial.aio.connect(uri, compression=None, close_timeout=0.1) as ws:
            for _ in range(2):
                await ws.send(await ws.recv())
            with pytest.raises(wsdial.exceptions.ConnectionClosedError):
                await ws.recv()
            await ws.wait_closed()
            assert seen == [0x82, 0x82, 0x88]

    run(main())


def test_a_dead_server_is_told():
    async def script(reader, writer, request):
        writer.write(upgrade(request))
        await reader.read()

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri, ping_interval=0.05, ping_timeout=0.05)
            ping = await ws.ping()
            with pytest.raises(wsdial.exceptions.ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.error_code == -803
            with pytest.raises(wsdial.exceptions.ConnectionClosedError):
                await ping
            await ws.wait_closed()

    run(main())


def test_close_without_an_answer_is_bounded():
    async def script(reader, writer, request):
        writer.write(upgrade(request))
        await reader.read()
        await asyncio.sleep(20)

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri, close_timeout=0.1)
            receiver = asyncio.create_task(ws.recv())
            await asyncio.wait_for(ws.close(), 2)
            with pytest.raises(wsdial.exceptions.ConnectionClosedError):
                await receiver
            assert ws.close_code == 1006

    run(main())


def test_a_cancelled_close_goes_on():
    async def script(reader, writer, request):
        writer.write(upgrade(request))
        await reader.readexactly(8)
        await asyncio.sleep(0.1)
        writer.write(frame(8, b"\x03\xe8"))

    async def main():
        async with scripted(script) as uri:
            ws = await wsdial.aio.connect(uri)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.close(), 0.02)
            await asyncio.wait_for(ws.wait_closed(), 2)
            assert ws.close_code == 1000

    run(main())


def test_a_cancelled_connect_leaves_no_socket():
    reached = None

    async def script(reader, writer, request):
        reached.set()
        assert await reader.read() == b""
        reached.set()

    async def main():
        nonlocal reached
        reached = asyncio.Event()
        async with scripted(script) as uri:
            for end in ("cancel", "timeout"):
                reached.clear()
                timeout = 0.1 if end == "timeout" else 10

                async def dial(timeout=timeout):
                    return await wsdial.aio.connect(uri, open_timeout=timeout)

                task = asyncio.create_task(dial())
                await reached.wait()
                reached.clear()
                if end == "cancel":
                    task.cancel()
                with pytest.raises((asyncio.CancelledError, TimeoutError)):
                    await task
                await asyncio.wait_for(reached.wait(), 2)

    run(main())


def test_a_connect_that_is_cancelled_at_any_step_leaves_nothing_to_tell(echo):
    told = []
    # The race between the addresses of a name, which is asyncio's, leaves the socket of a dial that is cancelled to the
    # garbage collector.
    uri = echo.ws.replace("localhost", "127.0.0.1")

    async def dial():
        return await wsdial.aio.connect(uri)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        for steps in range(100):
            task = asyncio.create_task(dial())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            try:
                await (await task).close()
            except asyncio.CancelledError:
                pass
        # What was begun is over before the loop is.
        async with wsdial.aio.connect(uri) as ws:
            await ws.ping()
        gc.collect()

    run(main())
    assert told == []


# TLS.


def context_of(ca):
    context = ssl.create_default_context(cafile=ca)
    # The echo server's certificate is of a simpler kind than Python 3.13 asks for.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


# asyncio's transport warns of itself before 3.11 when TLS fails.
@pytest.mark.filterwarnings("ignore:.*_SSLProtocolTransport.*:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("who", ["library", "context"])
def test_tls(echo, who):
    async def main():
        options = {"ca_file": echo.ca}
        if who == "context":
            options = {"ssl": context_of(echo.ca)}
        async with wsdial.aio.connect(echo.wss, max_size=None, subprotocols=["json"], **options) as ws:
            assert ws.subprotocol == "json"
            for message in ["é", b"", b"x" * 3_000_000, "y" * 70_000]:
                await ws.send(message)
                assert await ws.recv() == message
            await (await ws.ping())
        assert ws.close_code == 1000
        with pytest.raises(ssl.SSLCertVerificationError):
            await wsdial.aio.connect(echo.wss, **({"ssl": True} if who == "context" else {}))
        with pytest.raises(ssl.SSLCertVerificationError):
            await wsdial.aio.connect(echo.wss, server_hostname="elsewhere.example", **options)

    run(main())


def test_a_proxy_before_the_tls_of_a_context(echo):
    asked = []

    async def relay(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        host, port = echo.wss[6:].rstrip("/").split(":")
        other_reader, other_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def copy(source, target):
            with contextlib.suppress(ConnectionError):
                data = await source.read(65536)
                while data:
                    target.write(data)
                    await target.drain()
                    data = await source.read(65536)
            target.close()

        await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))

    async def main():
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        proxy = "http://me:secret@127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        for options in ({"ca_file": echo.ca}, {"ssl": context_of(echo.ca)}):
            async with wsdial.aio.connect(echo.wss, proxy=proxy, max_size=None, **options) as ws:
                await ws.send(b"x" * 300_000)
                assert await ws.recv() == b"x" * 300_000
            assert b"CONNECT " in asked[-1] and b"Proxy-Authorization: Basic " in asked[-1]
        server.close()

    run(main())


def test_options_that_cannot_be():
    for options, exception in [
        ({"ssl": ssl.create_default_context()}, ValueError),
        ({"subprotocols": "json"}, TypeError),
        ({"subprotocols": ["a", "a"]}, ValueError),
        ({"additional_headers": {"Upgrade": "x"}}, ValueError),
        ({"additional_headers": [("A", "x\r\nB: y")]}, ValueError),
        ({"max_size": 0}, ValueError),
        ({"compression": "zip"}, ValueError),
        ({"write_limit": (1, 2)}, ValueError),
        ({"max_queue": -1}, ValueError),
    ]:
        with pytest.raises(exception):
            wsdial.aio.connect("ws://localhost:1", **options)
            asyncio.run(wsdial.aio.connect("ws://localhost:1", **options)._connect())


def test_a_socket_and_a_host_of_ones_own(echo):
    async def main():
        host, port = echo.ws[5:].rstrip("/").split(":")
        sock = socket.create_connection((host, int(port)))
        async with wsdial.aio.connect("ws://elsewhere.example/", sock=sock) as ws:
            assert ws.request.headers["Host"] == "elsewhere.example"
            await ws.send("there")
            assert await ws.recv() == "there"
        async with wsdial.aio.connect("ws://elsewhere.example/", host=host, port=int(port)) as ws:
            await ws.send("there")
            assert await ws.recv() == "there"

    run(main())


# Lifetime.


def test_left_open_is_a_resource_warning(echo):
    async def main():
        ws = await wsdial.aio.connect(echo.ws)
        with pytest.warns(ResourceWarning, match="unclosed"):
            del ws
            gc.collect()
        await asyncio.sleep(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            async with wsdial.aio.connect(echo.ws) as ws:
                with pytest.raises(TypeError, match="pickled"):
                    pickle.dumps(ws)
            del ws
            gc.collect()
        await asyncio.sleep(0.01)

    run(main())


def script_of(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_loop_that_ends_with_open_connections_neither_hangs_nor_prints(echo):
    code = f"""
    import asyncio, wsdial.aio
    kept = []
    async def main():
        for _ in range(3):
            kept.append(await wsdial.aio.connect({echo.ws!r}))
        kept.append(asyncio.create_task(kept[0].recv()))
        await asyncio.sleep(0)
    asyncio.run(main())
    print(kept[1].state.name)
    """
    done = script_of(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "OPEN\n", "")


@pytest.mark.parametrize("eager", [False, True])
def test_many_connections_without_a_thread_each(echo, eager):
    async def one(ws, number):
        await ws.send(str(number))
        return await ws.recv()

    async def main():
        if eager:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        many = await asyncio.gather(*(wsdial.aio.connect(echo.ws, open_timeout=20)._connect() for _ in range(200)))
        assert threading.active_count() < 20
        assert await asyncio.gather(*(one(ws, n) for n, ws in enumerate(many))) == [str(n) for n in range(200)]
        await asyncio.gather(*(ws.close() for ws in many))
        assert {ws.close_code for ws in many} == {1000}

    if eager and not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("this Python has no eager tasks")
    run(main())


def test_uvloop(echo):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        for uri, options in ((echo.ws, {}), (echo.wss, {"ca_file": echo.ca})):
            async with wsdial.aio.connect(uri, max_size=None, **options) as ws:
                for message in ["é", b"", b"x" * 3_000_000, "y" * 70_000]:
                    await ws.send(message)
                    assert await ws.recv() == message
                big = [b"z" * 1_000_000] * 8

                async def send_all(ws=ws, big=big):
                    for message in big:
                        await ws.send(message)

                sender = asyncio.create_task(send_all())
                assert [await ws.recv() for _ in big] == big
                await sender
        context = context_of(echo.ca)
        async with wsdial.aio.connect(echo.wss, ssl=context, max_size=None) as ws:
            await ws.send(b"x" * 3_000_000)
            assert await ws.recv() == b"x" * 3_000_000

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()
