"""TLS of an ``SSLContext``, whatever is in it, and proxies that nobody here wrote the library for: HTTPS ones and SOCKS5."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import select
import shutil
import socket
import signal
import ssl
import threading
import time
from pathlib import Path

import pytest
from conftest import _echo

import wsdial
import wsdial.aio
from wsdial.options import Options, dialer_for

#: What ``openssl x509 -hash`` says of the echo server's root, whose name is always the same.
HASH = "795521cc.0"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """An echo server that takes only clients with a certificate; and the file with one, and its key."""
    folder = tmp_path_factory.mktemp("strict")
    for echo in _echo(folder, "--client-cert", str(folder / "client.pem")):
        yield echo, str(folder / "client.pem")


def context_of(ca=None, **keywords):
    context = ssl.create_default_context(cafile=ca, **keywords)
    # The certificates of the echo server are of a simpler kind than Python 3.13 asks for.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


def blocking(uri, **keywords):
    with wsdial.connect(uri, max_size=None, **keywords) as ws:
        ws.send(b"x" * 300_000)
        return ws.recv(timeout=10) == b"x" * 300_000


def on_a_loop(uri, **keywords):
    async def main():
        async with wsdial.aio.connect(uri, max_size=None, **keywords) as ws:
            await ws.send(b"x" * 300_000)
            return await asyncio.wait_for(ws.recv(), 10) == b"x" * 300_000

    return asyncio.run(main())


BOTH = pytest.mark.parametrize("roundtrip", [blocking, on_a_loop])


@BOTH
def test_a_client_certificate(strict, roundtrip):
    server, certificate = strict
    context = context_of(server.ca)
    context.load_cert_chain(certificate)
    assert roundtrip(server.wss, ssl=context)


@BOTH
def test_no_client_certificate(strict, roundtrip):
    """TLS 1.3 tells of it behind the handshake, so that it may show as the connection's end."""
    server, _ = strict
    with pytest.raises((OSError, wsdial.InvalidHandshake)):
        roundtrip(server.wss, ssl=context_of(server.ca))


@BOTH
def test_a_folder_of_roots(echo, tmp_path, roundtrip):
    with pytest.raises(ssl.SSLCertVerificationError):
        roundtrip(echo.wss, ssl=context_of(capath=str(tmp_path)))
    shutil.copy(echo.ca, tmp_path / HASH)
    assert roundtrip(echo.wss, ssl=context_of(capath=str(tmp_path)))


@BOTH
def test_no_verification(echo, roundtrip):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert roundtrip(echo.wss, ssl=context)


# Proxies.


def pump(one, other):
    """Moves bytes both ways until one side ends."""
    streams = {one: other, other: one}
    with contextlib.suppress(OSError):
        while True:
            readable = [s for s in streams if isinstance(s, ssl.SSLSocket) and s.pending()]
            for source in readable or select.select(list(streams), [], [], 10)[0]:
                data = source.recv(65536)
                if not data:
                    return
                streams[source].sendall(data)


def exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        assert more
        data += more
    return data


def opened_by_connect(stream):
    head = b""
    while b"\r\n\r\n" not in head:
        head += exactly(stream, 1)
    host, port = head.split()[1].decode().rsplit(":", 1)
    other = socket.create_connection((host, int(port)))
    stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    return other


def opened_by_socks(stream):
    """RFC 1928, with a password (RFC 1929)."""
    version, count = exactly(stream, 2)
    assert version == 5
    assert 2 in exactly(stream, count)
    stream.sendall(b"\5\2")
    assert exactly(stream, 1) == b"\1"
    assert exactly(stream, exactly(stream, 1)[0]) == b"me"
    assert exactly(stream, exactly(stream, 1)[0]) == b"secret"
    stream.sendall(b"\1\0")
    kind = exactly(stream, 4)[3]
    if kind == 3:
        host = exactly(stream, exactly(stream, 1)[0]).decode()
    else:
        host = socket.inet_ntop(*((socket.AF_INET, exactly(stream, 4)) if kind == 1 else (socket.AF_INET6, exactly(stream, 16))))
    other = socket.create_connection((host, int.from_bytes(exactly(stream, 2), "big")))
    stream.sendall(b"\5\0\0\1" + bytes(6))
    return other


@contextlib.contextmanager
def proxy(opened, context=None):
    """A proxy for one client after the other; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        with contextlib.suppress(OSError):
            while True:
                stream, _ = listener.accept()
                with contextlib.suppress(OSError, AssertionError):
                    if context is not None:
                        stream = context.wrap_socket(stream, server_side=True)
                    with stream, opened(stream) as other:
                        pump(stream, other)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(15)
        assert not thread.is_alive()


@pytest.mark.parametrize("way", ["ws", "ca_file", "ssl"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@BOTH
def test_socks(echo, roundtrip, scheme, way):
    keywords = {"ws": {}, "ca_file": {"ca_file": echo.ca}, "ssl": {"ssl": context_of(echo.ca)}}[way]
    with proxy(opened_by_socks) as port:
        uri = echo.ws if way == "ws" else echo.wss
        assert roundtrip(uri, proxy=f"{scheme}://me:secret@127.0.0.1:{port}", **keywords)


@pytest.mark.parametrize("way", ["ws", "ssl"])
def test_tls_in_tls(echo, strict, way):
    """An https proxy with an SSLContext of its own, and in it the server's TLS with another."""
    inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inner.load_cert_chain(strict[1])
    outer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    outer.check_hostname, outer.verify_mode = False, ssl.CERT_NONE
    keywords = {} if way == "ws" else {"ssl": context_of(echo.ca)}
    with proxy(opened_by_connect, inner) as port:
        uri = echo.ws if way == "ws" else echo.wss
        assert blocking(uri, proxy=f"https://127.0.0.1:{port}", proxy_ssl=outer, **keywords)
        # Nothing is verified less than was asked for.
        with pytest.raises(ssl.SSLCertVerificationError):
            blocking(uri, proxy=f"https://127.0.0.1:{port}", proxy_ssl=context_of(echo.ca), **keywords)


def test_a_unix_address_on_a_loop(tmp_path):
    from test_websockets import echo as echoing
    from websockets.sync.server import unix_serve

    path = tmp_path / "a socket"
    asked = []

    def handler(connection):
        asked.append(connection.request.path)
        echoing(connection)

    server = unix_serve(handler, str(path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = "ws+unix:" + str(path).replace(" ", "%20")
        for connect in (blocking, on_a_loop):
            assert connect(address)
            assert connect(address + ":/there?q=1")
        assert asked == ["/", "/there?q=1"] * 2
        with pytest.raises(wsdial.InvalidURI):
            wsdial.aio.connect("ws+unix:relative")
    finally:
        server.shutdown()
        thread.join(10)


def test_a_signal_handler_that_sends(echo):
    """A handler may come in the middle of a move of its own thread, which must not wait for itself or write twice."""
    ticks, sent = itertools.count(), []

    def tick(signum, stack):
        # It may be interrupted by itself, so ticks may overtake one another.
        number = next(ticks)
        sent.append(number)
        ws.send(f"tick {number}")

    with wsdial.connect(echo.wss, ssl=context_of(echo.ca), max_queue=None) as ws:
        before = signal.signal(signal.SIGALRM, tick)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
            came = []
            for number in range(1500):
                ws.send(f"{number} " + "x" * 500)
                came.append(ws.recv(timeout=10))
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        while len(came) < 1500 + len(sent):
            came.append(ws.recv(timeout=10))
    numbers = [int(message.split()[0]) for message in came if message[0] != "t"]
    told = [int(message.split()[1]) for message in came if message[0] == "t"]
    assert numbers == list(range(1500))
    assert sorted(told) == list(range(len(sent))) and len(sent) > 20


@pytest.mark.parametrize("place", ["write", "read_into", "flush"])
def test_a_signal_handler_in_the_middle_of_a_move(echo, place):
    """The same where chance seldom puts it: inside the stream's own lines."""
    with wsdial.connect(echo.wss, ssl=context_of(echo.ca)) as ws:
        stream = ws._carrier._stream
        move, calls = getattr(stream, place), []

        def handler_first(*arguments):
            calls.append(place)
            if len(calls) == 1:
                with stream._lock:
                    ws.send("from the handler")
            return move(*arguments)

        setattr(stream, place, handler_first)
        ended = []

        def talk():
            ws.send("from the program")
            ended.extend(sorted([ws.recv(timeout=10), ws.recv(timeout=10)]))

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        thread.join(10)
        assert ended == ["from the handler", "from the program"]
        delattr(stream, place)


def test_a_signal_handler_that_closes(echo):
    """It may take the waiting over from the call that it came into."""

    def close(signum, stack):
        ws.close(1001, "told to end")

    with wsdial.connect(echo.wss, ssl=context_of(echo.ca)) as ws:
        before = signal.signal(signal.SIGALRM, close)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(wsdial.ConnectionClosed):
                ws.recv(timeout=10)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert ws.close_code == 1001


def test_a_file_of_roots_is_read_again_when_it_has_changed(echo, tmp_path):
    roots = tmp_path / "roots.pem"

    def write(text, age):
        roots.write_text(text)
        os.utime(roots, (time.time() - age,) * 2)
        return dialer_for(Options(ca_file=str(roots)).settings(proxy=None))

    first = write(Path(echo.ca).read_text(), 100)
    assert dialer_for(Options(ca_file=str(roots)).settings(proxy=None)) is first
    # Seen by its time alone, and not trusted while that says little.
    recent = write(Path(echo.ca).read_text(), 0)
    assert recent is not first
    assert dialer_for(Options(ca_file=str(roots)).settings(proxy=None)) is not recent
    with wsdial.connect(echo.wss, ca_file=str(roots)):
        pass
    with pytest.raises(ValueError):
        write("no certificate at all", 50)
    roots.unlink()
    with pytest.raises(ValueError):
        wsdial.connect(echo.wss, ca_file=str(roots))
