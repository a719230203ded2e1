"""What a program does around its connections: computing, forking, interrupting, ending, forgetting to close."""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest
from conftest import upgrade
from test_names import echo_back, peer  # noqa: F401: a fixture

import wsdial
import wsdial.aio
from wsdial import _servicing

FAST = {"ping_interval": 0.2, "ping_timeout": 0.5, "close_timeout": 0.2}


def run(code: str, **keywords: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30, **keywords
    )


def ends(connection):
    """An echo whose own end is told."""
    try:
        for message in connection:
            if message == "echo":
                connection.send(message)
    finally:
        connection.ended.put(connection.close_code)


@pytest.fixture
def impatient(peer):  # noqa: F811
    """A server that pings, and does not wait long for pongs; and where it tells how connections ended."""
    ended: queue.Queue[int] = queue.Queue()

    def handler(connection):
        connection.ended = ended
        ends(connection)

    return peer(handler, **FAST), ended


@pytest.mark.parametrize("through", ["ws", "carrier"])
def test_a_program_that_only_sends_stays(impatient, through):
    uri, ended = impatient
    with wsdial.connect(uri, **_through(uri, through)) as ws:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            ws.send("sent")
            time.sleep(0.02)
        assert ended.empty()
    assert ended.get(timeout=5) == 1000


@pytest.mark.parametrize("through", ["ws", "carrier"])
def test_a_program_that_computes_stays(impatient, through):
    uri, ended = impatient
    with wsdial.connect(uri, **_through(uri, through)) as ws:
        for _ in range(2):
            ws.send("echo")
            assert ws.recv(timeout=5) == "echo"
            time.sleep(0.9)
        # In one recv for long, and then not.
        threading.Timer(0.9, ws.send, args=("echo",)).start()
        assert ws.recv(timeout=5) == "echo"
        time.sleep(0.9)
        ws.send("echo")
        assert ws.recv(timeout=5) == "echo"
        assert ended.empty()
    assert ended.get(timeout=5) == 1000


def test_servicing_can_be_turned_off(impatient):
    uri, ended = impatient
    with wsdial.connect(uri, servicing=False, close_timeout=0.1):
        assert ended.get(timeout=10) != 1000


def test_a_violation_behind_the_first_message_comes_after_its_answer(serve, monkeypatch):
    """The servicer reads nothing ahead for a program that has only just dialed."""
    monkeypatch.setattr(_servicing, "TICK", 5)
    dialed = threading.Event()
    answers: queue.Queue[int] = queue.Queue()

    def script(stream, request):
        stream.sendall(upgrade(request))
        dialed.wait(10)
        stream.sendall(b"\x81\x05hello\xc1\x00")
        for size in (11, 8):
            answers.put(stream.recv(size, socket.MSG_WAITALL)[0])

    with wsdial.connect(serve(script), close_timeout=1) as ws:
        dialed.set()
        end = time.monotonic() + 5
        while ws._fd not in _servicing.servicer()._parked:
            assert time.monotonic() < end
            time.sleep(0.001)
        ws.send(ws.recv(timeout=10))
        with pytest.raises(wsdial.ConnectionClosedError):
            ws.recv(timeout=10)
    assert [answers.get(timeout=10) for _ in range(2)] == [0x81, 0x88]


def test_one_servicing_thread_for_all(echo):
    connections = [wsdial.connect(echo.ws) for _ in range(20)]
    assert sum(thread.name == "wsdial" for thread in threading.enumerate()) == 1
    # Blocked receivers are left to themselves: the servicer sleeps.
    readers = [threading.Thread(target=lambda ws=ws: ws.recv()) for ws in connections]
    for reader in readers:
        reader.start()
    for ws in connections:
        ws.send("x")
    for reader in readers:
        reader.join(5)
        assert not reader.is_alive()
    for ws in connections:
        ws.close()
    assert not any(seat.connection() in connections for seat in list(_servicing.servicer()._seats.values()))


def _through(uri, way):
    """Keywords that lead over the library's own socket, or over bytes that Python moves."""
    if way == "ws":
        return {}
    import socket

    class Other(socket.socket):  # no plain socket: only its methods count
        pass

    host, port = uri[5:].split(":")
    sock = Other(socket.AF_INET, socket.SOCK_STREAM)
    sock.connect((host, int(port)))
    return {"sock": sock}


def test_messages_in_a_storm_keep_their_order(peer):  # noqa: F811
    count = 4_000
    sent = threading.Event()

    def handler(connection):
        for number in range(count):
            connection.send(str(number) if number % 3 else str(number).encode())
        sent.set()

    with wsdial.connect(peer(handler)) as ws:
        # A receiver that keeps up with the server meets no storm: let it gather in the sockets first.
        assert sent.wait(10)
        crossings = ws._entered
        got = []
        while len(got) < count:
            got += ws.recv_batch(timeout=10) if len(got) % 2 else [ws.recv(timeout=10)]
        assert got == [str(number) if number % 3 else str(number).encode() for number in range(count)]
        assert ws._entered - crossings < count / 2, "one call brings many"


def test_large_messages_both_ways_in_pieces(echo):
    piece = bytes(range(256)) * 256
    with wsdial.connect(echo.ws, max_size=None, compression=None) as ws:
        sender = threading.Thread(target=ws.send, args=((piece for _ in range(128)),))
        sender.start()
        buffer, received, final = bytearray(100_000), 0, False
        while not final:
            size, text, final = ws.recv_into(buffer, timeout=10)
            assert not text
            start = received % 256
            assert buffer[:size] == (piece * 3)[start : start + size]
            received += size
            if not final:
                with pytest.raises(wsdial.ConcurrencyError):
                    ws.recv(timeout=0)
        sender.join(10)
        assert received == 128 * len(piece)
        ws.send("whole again")
        assert ws.recv(timeout=5) == "whole again"
        with pytest.raises(ValueError):
            ws.recv_into(bytearray(10))
        with pytest.raises(TimeoutError):
            ws.recv_into(buffer, timeout=0.01)


def test_sending_copies_nothing_here(echo):
    import tracemalloc

    data = bytes(8 << 20)
    with wsdial.connect(echo.ws, max_size=None, compression=None) as ws:
        drain = threading.Thread(target=lambda: [ws.recv() for _ in range(3)])
        drain.start()
        time.sleep(0.05)
        tracemalloc.start()
        try:
            for message in (memoryview(data), bytearray(8 << 20), data):
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                ws._ws_recv  # noqa: B018: nothing of ours is in the way
                kind = wsdial._memory.buffer_of(message)
                assert kind is not None and kind[1] == len(data)
                assert tracemalloc.get_traced_memory()[1] - before < 1 << 20
                ws.send(message)
        finally:
            tracemalloc.stop()
        drain.join(20)


def test_signals_that_raise_nothing_disturb_nothing(peer):  # noqa: F811
    """Handlers run, and the dial, the recv and the timeout go on (PEP 475)."""
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:

        def handler(connection):
            time.sleep(0.3)
            connection.send("x")
            list(connection)

        with wsdial.connect(peer(handler, process_request=lambda *_: time.sleep(0.3))) as ws:
            assert ws.recv() == "x"
            started = time.monotonic()
            with pytest.raises(TimeoutError):
                ws.recv(timeout=0.3)
            assert 0.3 <= time.monotonic() - started < 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) > 20


@pytest.mark.parametrize(
    "call",
    [
        "ws.recv()",
        "ws.recv(timeout=60)",
        "ws.ping(); ws.recv()",
        "list(ws)",
        "ws.recv_into(bytearray(1000))",
        "list(ws.recv_streaming())",
        "[ws.send(b'x' * 1_000_000) for _ in range(10_000)]",
        "ws.wait_closed()",
        "wsdial.connect(silent, open_timeout=60)",
        "wsdial.connect(silent, open_timeout=60, source_address=('127.0.0.1', 0))",
    ],
)
def test_ctrl_c_ends_a_blocked_call(echo, call):
    code = f"""
    import signal, socket, time, wsdial
    # What a shell starts in the background ignores it, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    listener = socket.create_server(("127.0.0.1", 0))
    silent = "ws://127.0.0.1:%d" % listener.getsockname()[1]
    ws = wsdial.connect({echo.ws!r}, close_timeout=0.1, compression=None)
    print("in", flush=True)
    try:
        {call}
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout and child.stdout.readline() == "in\n"
        time.sleep(0.1)  # blocked, or on its way there: either way it must answer
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        try:
            took = float(child.communicate(timeout=20)[0]) - sent
        finally:
            child.kill()
    print(f"Ctrl-C ended {call} after {took * 1000:.1f} ms")
    assert took < 2


@pytest.mark.parametrize("daemon", [True, False])
def test_the_interpreter_ends_with_open_connections(echo, daemon):
    done = run(
        f"""
        import threading, time, warnings, wsdial
        warnings.simplefilter("ignore", ResourceWarning)
        idle = wsdial.connect({echo.ws!r})
        ws = wsdial.connect({echo.ws!r})
        if {daemon}:
            threading.Thread(target=ws.recv, daemon=True).start()
            time.sleep(0.2)
        print("end")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_a_forked_child_is_told_and_does_not_disturb(echo):
    done = run(
        f"""
        import gc, os, warnings, wsdial
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        ws = wsdial.connect({echo.ws!r})
        pid = os.fork()
        if pid == 0:
            try:
                ws.send("from the child")
            except RuntimeError:
                try:
                    ws.recv()
                except RuntimeError:
                    with wsdial.connect({echo.ws!r}) as mine:
                        mine.send("mine")
                        assert mine.recv() == "mine"
                    del ws, mine
                    gc.collect()
                    os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        ws.send("still the parent's")
        assert ws.recv(timeout=5) == "still the parent's"
        ws.close()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_multiprocessing(echo):
    done = run(
        f"""
        import multiprocessing, warnings, wsdial
        def work(number):
            with wsdial.connect({echo.ws!r}) as ws:
                ws.send(str(number))
                return ws.recv(timeout=5)
        if __name__ == "__main__":
            warnings.simplefilter("ignore", DeprecationWarning)
            ws = wsdial.connect({echo.ws!r})
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert pool.map(work, range(4)) == ["0", "1", "2", "3"]
            ws.send("x")
            assert ws.recv(timeout=5) == "x"
            ws.close()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_left_open_is_a_resource_warning_and_blocks_nobody(echo):
    for keywords in ({}, {"ssl": True}):
        if keywords:
            import ssl

            ws = wsdial.connect(echo.wss, ssl=ssl.create_default_context(cafile=echo.ca))
        else:
            ws = wsdial.connect(echo.ws)
        started = time.monotonic()
        with pytest.warns(ResourceWarning, match="unclosed"):
            del ws
            gc.collect()
        assert time.monotonic() - started < 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with wsdial.connect(echo.ws) as ws:
            pass
        del ws
        gc.collect()


def test_no_pickles(echo):
    with wsdial.connect(echo.ws) as ws, pytest.raises(TypeError, match="pickled"):
        pickle.dumps(ws)


def test_descriptors_come_back(echo):
    import ssl

    context = ssl.create_default_context(cafile=echo.ca)

    def use():
        with wsdial.connect(echo.ws) as ws, wsdial.connect(echo.wss, ssl=context) as sealed:
            ws.send("x")
            sealed.send("y")
            assert (ws.recv(timeout=5), sealed.recv(timeout=5)) == ("x", "y")

    use()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        use()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_cookies(serve):
    import http.cookiejar

    jar, seen = http.cookiejar.CookieJar(), []

    def script(stream, request):
        seen.append(request)
        stream.sendall(upgrade(request, "Set-Cookie: id=42; Path=/", "Set-Cookie: other=1"))
        stream.recv(4096)

    for _ in range(2):
        with wsdial.connect(serve(script), cookies=jar, close_timeout=0.1):
            pass
    assert b"Cookie" not in seen[0] and b"Cookie: id=42" in seen[1] and {cookie.name for cookie in jar} == {"id", "other"}


# python -m wsdial


def test_the_terminal_program_over_pipes(echo):
    command = [sys.executable, "-m", "wsdial", echo.ws, "--linger", "0.2", "-s", "json"]
    done = subprocess.run(command, input="one\ntwo\nlast", capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "one\ntwo\nlast\n", "")
    done = subprocess.run([*command[:3], "ws://127.0.0.1:1"], input="", capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "refused" in done.stderr and done.stdout == ""


def test_the_terminal_program_on_a_terminal(echo):
    import pty
    import select

    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "wsdial", echo.ws])
    said = b""

    def until(words):
        nonlocal said
        end = time.monotonic() + 10
        while words not in said and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    said += os.read(terminal, 4096)
                except OSError:
                    break
        assert words in said, said

    until(b"connected to")
    os.write(terminal, b"hello\n")
    until(b"< hello")
    os.write(terminal, b"\x1b[31m\n")
    until(rb"< \x1b[31m")
    os.write(terminal, b"\x04")
    until(b"closed: 1000")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 if hasattr(os, "waitstatus_to_exitcode") else True
    os.close(terminal)


def test_a_connection_collected_where_the_servicer_is_locked(echo):
    """Any allocation may set off a collection, in the middle of the servicer's own lines too: that is no deadlock."""
    done = run(
        f"""
        import warnings, wsdial
        from wsdial import _servicing
        warnings.simplefilter("ignore")
        for _ in range(3):
            ws = wsdial.connect({echo.ws!r})
            with _servicing.servicer()._lock:
                del ws
        assert not _servicing.servicer()._seats
        with wsdial.connect({echo.ws!r}) as ws:
            ws.send("on")
            print(ws.recv(timeout=5))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")


def test_a_connection_whose_construction_fails_is_freed_once(echo):
    class Failing(wsdial.ClientConnection):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            raise LookupError("no")

    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            with pytest.raises(LookupError):
                wsdial.connect(echo.ws, create_connection=Failing)
            gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@pytest.mark.parametrize(
    "keywords",
    [
        {"create_connection": 5},
        {"logger": 5},
        {"sock": 5},
        {"open_timeout": "1"},
        {"close_timeout": []},
        {"ping_interval": "1"},
        {"ping_timeout": []},
        {"max_size": 1.5},
        {"max_size": "1"},
        {"max_queue": 1.5},
        {"additional_headers": 5},
        {"additional_headers": "X: 1"},
        {"subprotocols": 1},
        {"proxy": 5},
        {"origin": 1},
    ],
)
@pytest.mark.parametrize("connect", [wsdial.connect, wsdial.aio.connect])
def test_a_keyword_of_a_wrong_type_is_told_before_anything_is_sent(connect, keywords):
    with pytest.raises(TypeError) as told:
        connect("ws://127.0.0.1:1", **keywords)
    assert type(told.value) is TypeError


def test_an_ssl_that_is_none_is_told(echo):
    for connect in (wsdial.connect, wsdial.aio.connect):
        with pytest.raises(TypeError, match="SSLContext"):
            connect(echo.wss, ssl=5)


@pytest.mark.parametrize("frame", [b"\x83\x00", b"\x81\x01\xff", b"\x82\x0b" + bytes(11)])
def test_no_close_frame_came_where_we_ended_it(serve, frame):
    """The code that we sent for a violation is not the server's."""
    with wsdial.connect(
        serve(lambda stream, request: stream.sendall(upgrade(request) + frame)), max_size=10, compression=None
    ) as ws:
        with pytest.raises(wsdial.ConnectionClosedError) as ended:
            ws.recv(timeout=5)
        assert ended.value.rcvd is None
        assert ended.value.sent is not None
        assert (ws.close_code, ws.close_reason) == (1006, "")


def test_close_code_zero_is_not_sendable(echo):
    with wsdial.connect(echo.ws) as ws:
        with pytest.raises(wsdial.exceptions.ProtocolError):
            ws.close(0)
        with pytest.raises(TypeError):
            ws.close("1000")
        ws.send("on")
        assert ws.recv(timeout=5) == "on"


def test_an_idle_connection_is_small_and_takes_names_of_the_programs(echo):
    with wsdial.connect(echo.ws) as ws:
        assert not vars(ws)  # all of its own is in slots
        assert ws._ready.maxlen == 0
        ws.mine = 1
        assert vars(ws) == {"mine": 1}
        with pytest.raises(AttributeError):
            ws.never_set
        for word in ("a", "b", "c"):
            ws.send(word)
        assert [ws.recv() for _ in range(3)] == ["a", "b", "c"]
