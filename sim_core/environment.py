"""What a command needs before it can start: a Python that is new enough, and the packages of requirements.lock.

This module is read by every Python from 3.6 on, so that an old one can say what is wrong: it has no newer syntax.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

OLDEST_PYTHON = (3, 11)
PACKAGES = ("sim_core", "sweep", "sync", "traces", "configs", "data")  # the project's own: never missing by mistake
EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 (pathlib loads slowly)


def require_python() -> None:
    """Refuse a Python that is too old: in one line if a command is being started, else by an ImportError."""
    if sys.version_info < OLDEST_PYTHON:
        this = ".".join(map(str, sys.version_info[:3]))
        needed = ".".join(map(str, OLDEST_PYTHON))
        reason = f"this project needs Python {needed} or newer, and {_python()} is Python {this}"
        if _command() is None:
            raise ImportError(reason)
        _end(reason)


@contextmanager
def told_what_is_missing() -> "Iterator[None]":
    """Within this block a package that is not installed, and Ctrl-C, end the process with one line.

    A module of this project that is not there is a bug, and keeps its traceback.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in PACKAGES:
            raise
        if package in getattr(sys, "stdlib_module_names", ()):
            _end(f"{_python()} was built without its module {package}")
        if isinstance(error, ModuleNotFoundError):
            _end(f"the package {package} is not installed for {_python()}")
        _end(f"the package {package} that {_python()} has is not the one in requirements.lock ({error.msg})")
    except KeyboardInterrupt:
        print("interrupted before anything ran", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _end(reason: str) -> None:
    print(f"error: {' '.join(reason.split())}: {_advice()}", file=sys.stderr)
    sys.exit(EXIT_BAD_INPUT)


def _advice() -> str:
    """What to type so that the command runs."""
    venv = os.path.join(_ROOT, ".venv")  # noqa: PTH118
    if os.getcwd() == _ROOT:  # noqa: PTH109
        venv = ".venv"
    if not os.path.exists(f"{venv}/bin/python"):  # noqa: PTH110
        return f"type `make demo` in {_ROOT} to install what is needed into {venv}, then `source {venv}/bin/activate`"
    if os.path.realpath(sys.prefix) == os.path.realpath(venv):
        return f"type `rm {venv}/.installed` and `make demo`, which installs the locked packages again"
    return f"type `source {venv}/bin/activate` first, or {venv}/bin/python {_command() or '...'}"


def _python() -> str:
    return sys.executable or "this Python"


def _command() -> "str | None":
    """`-m sweep ...` if Python was started with a command of this project; None if it was not."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    package = spec.parent if spec is not None else ""
    if package in PACKAGES:
        return f"-m {package}" + (" ..." if sys.argv[1:] else "")
    return "-m ..." if sys.argv[:1] == ["-m"] else None  # Python is still looking for the package
