"""Builds a wheel with the library inside, for any Python 3 on this platform: `pip install ./bindings/python`."""

import os
import pathlib
import shutil
import subprocess

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = "libwsdial.so"


def library() -> pathlib.Path:
    """The library to pack: the one that WSDIAL_LIBRARY names, or the one that cargo builds."""
    given = os.environ.get("WSDIAL_LIBRARY")
    if given:
        return pathlib.Path(given)
    if not (REPOSITORY / "Cargo.toml").is_file():
        raise SystemExit("wsdial: build from a checkout of the whole project, or name a built library in WSDIAL_LIBRARY")
    subprocess.run(["cargo", "build", "--release", "--lib", "--locked"], cwd=REPOSITORY, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return REPOSITORY / target / "release" / LIBRARY


class BuildWithLibrary(build_py):
    def run(self) -> None:
        super().run()
        package = pathlib.Path(self.build_lib, "wsdial")
        package.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library(), package / LIBRARY)


class PlatformWheel(bdist_wheel):
    """ctypes needs no ABI of Python's, the library is of one platform: py3-none-<platform>."""

    def get_tag(self) -> "tuple[str, str, str]":
        return ("py3", "none", super().get_tag()[2])


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(distclass=BinaryDistribution, cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
