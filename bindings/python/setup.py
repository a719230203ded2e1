"""Builds a wheel with the library inside, for any Python 3 on this platform: ``pip install ./bindings/python``.

The library is what ``WSDIAL_LIBRARY`` names, or what cargo builds of the crate: the checkout around this folder, or the
copy that an sdist carries in ``crate``.
"""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sysconfig

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = "libwsdial.so"


def crate() -> pathlib.Path:
    """The folder of the crate."""
    for folder in (HERE / "crate", HERE.parents[1]):
        if (folder / "Cargo.toml").is_file():
            return folder
    raise SystemExit("wsdial: neither a checkout of the project nor an sdist; name a built library in WSDIAL_LIBRARY")


def library() -> pathlib.Path:
    """The library to pack."""
    given = os.environ.get("WSDIAL_LIBRARY")
    if given:
        return pathlib.Path(given)
    folder = crate()
    if shutil.which("cargo") is None:
        raise SystemExit("wsdial: there is no wheel for this platform, and no cargo to build the library (https://rustup.rs)")
    subprocess.run(["cargo", "build", "--release", "--lib", "--locked"], cwd=folder, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", folder / "target"))
    return folder / target / "release" / LIBRARY


def platform_tag(built: pathlib.Path, otherwise: str) -> str:
    """``manylinux_2_x``: the newest glibc that a symbol of the library asks for decides (PEP 600)."""
    versions = [tuple(map(int, pair)) for pair in re.findall(rb"\bGLIBC_(\d+)\.(\d+)\b", built.read_bytes())]
    if not versions or sysconfig.get_platform().split("-")[0] != "linux":
        return otherwise
    major, minor = max(max(versions), (2, 17))
    return f"manylinux_{major}_{minor}_{platform.machine()}"


class BuildWithLibrary(build_py):
    def run(self) -> None:
        super().run()
        package = pathlib.Path(self.build_lib, "wsdial")
        package.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library(), package / LIBRARY)


class PlatformWheel(bdist_wheel):
    """ctypes needs no ABI of Python's, the library is of one platform: py3-none-<platform>."""

    def get_tag(self) -> "tuple[str, str, str]":
        packed = pathlib.Path(self.bdist_dir or "", "wsdial", LIBRARY)
        built = packed if packed.is_file() else library()
        return ("py3", "none", platform_tag(built, super().get_tag()[2]))


class SourceWithCrate(sdist):
    """Carries what cargo needs, so that a machine with Rust can build it: what ``cargo package`` would take."""

    def make_release_tree(self, base_dir: str, files: "list[str]") -> None:
        super().make_release_tree(base_dir, files)
        folder = crate()
        if folder == HERE / "crate":
            shutil.copytree(folder, pathlib.Path(base_dir, "crate"), ignore=shutil.ignore_patterns("target"))
            return
        command = ["cargo", "package", "--list", "--allow-dirty", "--locked", "--offline"]
        listed = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
        for name in listed:
            if (folder / name).is_file() and not name.endswith(".orig"):
                copy = pathlib.Path(base_dir, "crate", name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, copy)


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(
    distclass=BinaryDistribution,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel, "sdist": SourceWithCrate},
)
