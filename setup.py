"""Compiles the simulator's core with mypyc, where there is a C compiler.

`make compiled` runs `python setup.py compiled`, which compiles beside the sources; `pip install .` does the same for
the wheel. Without a compiler, and with SIM_CORE_PURE=1, the core runs as plain Python, with the same results.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from setuptools import Command, Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
SLOWER = "It runs as plain Python, at a quarter of the speed."
# Floating point is never contracted: a fused multiply-add rounds once where Python rounds twice. These options stand
# behind those of CFLAGS, and undo what they may say.
EXACT = ["-fno-fast-math", "-ffp-contract=off"]
COMPILE, LINK = ["-O3", "-flto", "-fno-semantic-interposition", *EXACT], ["-O3", "-flto", *EXACT]


def compilation() -> ModuleType:
    """`sim_core.compilation`, without the package, which would import the core."""
    spec = spec_from_file_location("compilation", ROOT / "sim_core" / "compilation.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FORM = compilation()


def reason_against() -> str | None:
    """Why nothing is compiled; None: it can be."""
    if FORM.is_pure_asked():
        return f"{FORM.PURE} is set"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "the headers of this Python are not installed (Debian: apt install python3-dev)"
    try:
        import mypyc  # noqa: F401
    except ImportError:
        return "mypyc is not installed (pip install mypy)"
    return None


def extensions() -> list[Extension]:
    """The extensions of the core, as C files that mypyc has written."""
    from mypyc.build import mypycify

    sources = [str(Path(*name.split(".")).with_suffix(".py")) for name in FORM.MODULES]
    found: list[Extension] = mypycify(
        ["--config-file=", *sources],
        opt_level="3",
        group_name="sim_core",
        target_dir="build/mypyc",
    )
    for extension in found:
        extension.extra_compile_args += COMPILE
        extension.extra_link_args += LINK
    return found


class BuildCore(build_ext):
    """Compiles, and notes which sources were compiled. A wheel that cannot be compiled becomes a plain one."""

    def run(self) -> None:
        if not self.extensions or self.inplace:
            self._compile()
            return
        try:
            self._compile()
        except (Exception, SystemExit) as error:
            for output in self.get_outputs():
                Path(output).unlink(missing_ok=True)
            _say_why_not(_reason(error))

    def _compile(self) -> None:
        super().run()
        if self.extensions:
            from mypy.version import __version__

            folder = ROOT if self.inplace else Path(self.build_lib)
            lines = FORM.record_of(f"mypyc {__version__}", str(ROOT / "sim_core"))
            (folder / "sim_core" / FORM.RECORD).write_text("\n".join(lines) + "\n", encoding="utf-8")


class Compiled(Command):
    """Compiles in place, and says so in one line."""

    description = "compile the simulator's core in place"
    user_options: ClassVar[list[Any]] = []

    def initialize_options(self) -> None:
        """Nothing to be set."""

    def finalize_options(self) -> None:
        """Nothing to be set."""

    def run(self) -> None:
        """Compile what is not compiled yet. It is no error if that cannot be: the core runs as plain Python then."""
        if reason := reason_against():
            _say_why_not(reason)
            return
        if FORM.form().is_compiled:
            return
        start = time.monotonic()
        try:
            with _alone():
                if compilation().form().is_compiled:  # by the process that this one has waited for
                    return
                self._compile()
        except KeyboardInterrupt:
            _say_why_not("it was interrupted")
            raise SystemExit(130) from None
        except (Exception, SystemExit) as error:
            _say_why_not(_reason(error) + ("" if isinstance(error, OSError) else ", see build/compiled.log"))
            return
        _say(f"Compiled in {time.monotonic() - start:.0f} s.")

    def _compile(self) -> None:
        _say("Compiling the simulator's core, once, which takes about a minute: it runs four times as fast then.")
        # First, as files of two builds may lie side by side until this one is done.
        (ROOT / "sim_core" / FORM.RECORD).unlink(missing_ok=True)
        with (BUILD / "compiled.log").open("w") as file, _all_output_to(file.fileno()):
            self.distribution.ext_modules = extensions()
            command = self.reinitialize_command("build_ext", inplace=True)
            command.ensure_finalized()
            command.run()


@contextmanager
def _alone() -> Iterator[None]:
    """Within this block no other process compiles here. Raises OSError where nothing can be written."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "compiled.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            _say("Another process compiles the simulator's core: waiting for it.")
            flock(lock, LOCK_EX)
        yield


def _reason(error: BaseException) -> str:
    """The error in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _say_why_not(reason: str) -> None:
    _say(f"The simulator's core is not compiled: {reason}. {SLOWER}")


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _all_output_to(file: int) -> Iterator[None]:
    """Within this block what this process and its children write to standard output and error goes to a file."""
    kept = os.dup(1), os.dup(2)
    _put_outputs(file, file)
    try:
        yield
    finally:
        _put_outputs(*kept)
        for output in kept:
            os.close(output)


def _put_outputs(output: int, error: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the disk is full
            stream.flush()
    os.dup2(output, 1)
    os.dup2(error, 2)


def of_a_wheel() -> list[Extension]:
    """The extensions of a wheel: none where they cannot be compiled, and none for the other commands."""
    if not {"bdist_wheel", "build_ext", "build", "install"} & set(sys.argv):
        return []
    if reason := reason_against():
        _say_why_not(reason)
        return []
    return extensions()


setup(ext_modules=of_a_wheel(), cmdclass={"build_ext": BuildCore, "compiled": Compiled})
