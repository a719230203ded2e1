"""Importing: where the library comes from, what is checked, and what does not happen."""

from __future__ import annotations

import os
import pathlib
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
