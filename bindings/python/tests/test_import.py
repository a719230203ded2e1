"""Importing: where the library comes from, what is checked, and what does not happen; Ctrl-C, which needs a process."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

import wsdial
from wsdial import _lib


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_version():
    assert wsdial.__version__ == _lib.lib.ws_version().decode()


def test_everything_named_is_there():
    for name in wsdial.__all__:
        assert getattr(wsdial, name) is not None


def test_importing_starts_nothing():
    done = run(
        """
        import os, signal, sys, threading
        before = len(os.listdir("/proc/self/fd")), signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGINT)
        import wsdial
        after = len(os.listdir("/proc/self/fd")), signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGINT)
        assert before == after, (before, after)
        assert len(os.listdir("/proc/self/task")) == 1 == threading.active_count()
        assert "ssl" not in sys.modules and "asyncio" not in sys.modules and "socket" not in sys.modules
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def copy_without_library(folder: pathlib.Path) -> None:
    package = pathlib.Path(wsdial.__file__).parent
    (folder / "wsdial").mkdir()
    for source in package.glob("*.py"):
        (folder / "wsdial" / source.name).write_bytes(source.read_bytes())


def test_without_a_library(tmp_path):
    copy_without_library(tmp_path)
    environment = {"PYTHONPATH": str(tmp_path), "WSDIAL_LIBRARY": ""}
    assert "neither beside the package" in run("import wsdial", **environment).stderr
    environment["WSDIAL_LIBRARY"] = str(tmp_path / "none.so")
    assert "ImportError" in run("import wsdial", **environment).stderr
    environment["WSDIAL_LIBRARY"] = "libc.so.6"
    assert "ImportError: libc.so.6 cannot be used" in run("import wsdial", **environment).stderr


def test_a_library_of_another_version(tmp_path):
    copy_without_library(tmp_path)
    lib = tmp_path / "wsdial" / "_lib.py"
    lib.write_text(lib.read_text().replace(f'__version__ = "{wsdial.__version__}"', '__version__ = "77.0.0"'))
    library = pathlib.Path(wsdial.__file__).with_name(_lib.NAME)
    path = str(library) if library.is_file() else os.environ["WSDIAL_LIBRARY"]
    said = run("import wsdial", PYTHONPATH=str(tmp_path), WSDIAL_LIBRARY=path).stderr
    assert f"is version {wsdial.__version__}, this package needs 77.0.0" in said


@pytest.mark.parametrize("call", ["ws.recv()", "while True: ws.send(b'x' * 1_000_000)"])
def test_ctrl_c_ends_a_blocked_call(echo, call):
    # The echo server stops reading when its echoes are not read, so the sender blocks too.
    code = f"""
    import wsdial
    ws = wsdial.connect({echo.ws!r}, close_timeout=0.1)
    try:
        print("in", flush=True)
        {call}
    except KeyboardInterrupt:
        print("out", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout and child.stdout.readline() == "in\n"
        # Blocked in poll or recv, as the kernel sees it, or on its way there: either way it must answer.
        child.send_signal(signal.SIGINT)
        try:
            assert child.communicate(timeout=20)[0] == "out\n"
        finally:
            child.kill()
