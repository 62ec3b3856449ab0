"""Runs points on Ray: on a cluster of its own on this machine, or on an existing one. Only this file imports ray."""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Self

from configs.address import check_answers
from sim_core import Trace, __version__
from sim_core.compilation import LIBRARY, PURE
from sim_core.errors import SimError, SpecError
from sim_core.limits import carried
from sweep.experiment.point import Outcome, Point, failed_outcome, project_root
from sweep.launch.backlog import Backlog
from sweep.launch.base import LauncherError
from sweep.launch.interrupt import Interrupts
from sweep.launch.raw_logs import raw_logs_dropped
from sweep.launch.ray_environment import LOOPBACK_ALONE, OF_WORKERS, QUIET, SELDOM
from sweep.launch.worker import KEPT_REQUESTS, run_point
from traces import workload

LOCAL = "local"
_WAIT_S = 0.25  # how long an interrupt may go unnoticed
_LOOK_S = 1.0  # how long a new node may go unnoticed
_STORE_BYTES = 256 * 2**20
_ENVIRONMENT = {
    **QUIET,
    **SELDOM,
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # keeps raw logs of killed workers and nodes out of the progress line
    "GRPC_VERBOSITY": "NONE",  # the same for gRPC
    "RAY_grpc_client_keepalive_time_ms": "10000",  # notice a silent node within seconds, not minutes
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    "RAY_OVERRIDE_JOB_RUNTIME_ENV": "1",  # in `ray job submit`, what we ship replaces what the job has
    "RAY_RUNTIME_ENV_IGNORE_GITIGNORE": "1",  # it names the compiled core, which is sent; _SHIPPED alone decides
}
_MISSING = re.compile(r"(ModuleNotFound|Import)Error: .+")
_HOST_PORT = re.compile(r"[^:/]+:\d+|\[[^]]+\]:\d+")
_TOKEN = Path("~/.ray/auth_token")
_NO_TOKEN = (
    "authentication failed: this cluster asks for a token. Set RAY_AUTH_MODE=token, and have the cluster's token in"
    " ~/.ray/auth_token (or in a file that RAY_AUTH_TOKEN_PATH names)"
)
# The parts of the project's folder that other nodes need; nothing else in it is sent.
_SHIPPED = ("sim_core", f"{LIBRARY}.*", "sweep", "sync", "configs", "traces", "data")
_NOT_SHIPPED = ["/*", "!/.", *(f"!/{name}" for name in _SHIPPED), "**/__pycache__"]


class RayLauncher:
    """A `Launcher` on Ray, one point a core.

    `address`: "local" starts a cluster on this machine's loopback and stops it at the end; anything else joins an
    existing cluster ("auto" finds it). `jobs`: how many points run at once, None for one a core. A point that takes
    longer than `timeout_s` has failed.
    """

    def __init__(self, address: str = LOCAL, jobs: int | None = None, timeout_s: float | None = None) -> None:
        self._address = address
        self._jobs = jobs
        self._timeout_s = timeout_s
        self._cores = self._wanted = 1
        self._looked_s = float("-inf")
        self._pending: dict[Any, tuple[Point, ...]] = {}
        self._stack = ExitStack()

    @property
    def running(self) -> int:
        """See `Launcher`."""
        return min(len(self._pending), self._cores)

    @property
    def cores(self) -> int:
        """See `Launcher`. Raises LauncherError."""
        with _ray_is_there():
            self._wanted_tasks()  # counts them, now and then
        return self._cores

    def __enter__(self) -> Self:
        check_answers(self._address, "--address")
        for name, value in _ENVIRONMENT.items():
            if name not in os.environ:  # Ray reads these at import and at its start
                self._set(name, value)
        if self._address == LOCAL:
            for name, value in (LOOPBACK_ALONE | OF_WORKERS).items():
                self._set(name, value)
        import ray

        # Whatever its settings, Ray prints news of nodes and workers on standard output, which is for results.
        self._stack.enter_context(redirect_stdout(self._stack.enter_context(Path(os.devnull).open("w"))))
        try:
            with raw_logs_dropped():
                if _HOST_PORT.fullmatch(self._address):
                    _check_token(self._address)
                with _owner_alone():
                    ray.init(address=self._address, **self._init_arguments())
        except Exception as error:  # of whatever kind: there is no cluster to run on
            ray.shutdown()
            self._stack.close()
            raise SpecError(_no_cluster(error), key="--address", value=self._address) from error
        # max_retries=0: the backlog hands lost points out again. Ray would retry a point that lacks memory for ever.
        self._task = ray.remote(num_cpus=1, max_retries=0)(_run)
        return self

    def _set(self, name: str, value: str) -> None:
        """Set an environment variable until the launcher is left."""
        before = os.environ.get(name)
        os.environ[name] = value
        if before is None:
            self._stack.callback(os.environ.pop, name, None)
        else:
            self._stack.callback(os.environ.__setitem__, name, before)

    def __exit__(self, *error: object) -> None:
        import ray

        for ref in self._pending:
            if self._address != LOCAL:  # our own cluster ends with all that runs on it
                ray.cancel(ref, force=True)
        self._pending.clear()
        ray.shutdown()
        self._stack.close()

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        """See `Launcher`. Ray gets at most two tasks a core; the other points stay in the backlog."""
        with _ray_is_there():
            yield from self._outcomes(backlog, interrupts)

    def _outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        import ray

        traces = _Traces(backlog)
        while not interrupts.requested and (self._pending or not backlog.ended):
            while len(self._pending) < self._wanted_tasks() and (task := backlog.next_task(self._cores)):
                refs = {point.trace_identity: ref for point in task if (ref := traces.ref(point)) is not None}
                # Traces are arguments of the task, so that it takes a core only once they have reached its node.
                ref = self._task.remote(task, self._timeout_s, tuple(refs), *refs.values())
                self._pending[ref] = task
            if not self._pending:
                backlog.wait(_WAIT_S)
                continue
            ready, _ = ray.wait(list(self._pending), num_returns=1, timeout=_WAIT_S)
            for ref in ready:
                outcomes = self._fetch(ref, self._pending.pop(ref), backlog)
                traces.release()
                yield from outcomes

    def _fetch(self, ref: Any, task: tuple[Point, ...], backlog: Backlog) -> list[Outcome]:
        """The outcomes of a task that has ended; none if it was lost and its points went back to the backlog."""
        import ray

        try:
            outcomes: list[Outcome] = ray.get(ref)
        except ray.exceptions.RuntimeEnvSetupError as error:
            raise LauncherError(f"a node cannot take the project's code: {_first_line(error)}") from error
        except ray.exceptions.LocalRayletDiedError:
            raise
        except ray.exceptions.RayError as error:
            if missing := _MISSING.search(str(error)):  # of the function, or of its arguments
                reason = f"a node lacks what points need ({missing[0]}): install requirements.lock there"
                raise LauncherError(reason) from error
            if (given_up := backlog.lost(task, _lost_by(error))) is None:
                return []
            reason = f"{type(error).__name__}: {_first_line(error)}"
            return [failed_outcome(given_up, f"{reason}\n{error}", version=__version__)]
        for point, outcome in zip(task, outcomes, strict=True):
            backlog.took(point, outcome.wall_s)
        return outcomes

    def _wanted_tasks(self) -> int:
        """How many tasks Ray may hold: one running and one waiting for each core, or `jobs` where that is fewer."""
        import ray

        if time.monotonic() - self._looked_s > _LOOK_S:  # nodes come and go
            cores = max(1, int(ray.cluster_resources().get("CPU", 0)))
            self._cores, self._looked_s = min(cores, self._jobs or cores), time.monotonic()
            self._wanted = 2 * cores if self._cores == cores else self._cores
        return self._wanted

    def _init_arguments(self) -> dict[str, Any]:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
        if self._address != LOCAL:
            shipped: dict[str, Any] = {"working_dir": str(project_root()), "excludes": _NOT_SHIPPED}
            shipped["env_vars"] = (
                OF_WORKERS | carried() | {name: os.environ[name] for name in (PURE,) if name in os.environ}
            )
            return {**quiet, "runtime_env": shipped}
        return {
            **quiet,
            "num_cpus": self._jobs or len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
        }


class _Traces:
    """Traces in Ray's object store: each is made or read once, by the driver, and kept while points need it.

    In a task of its own it would need one more worker, whose start takes ten times as long as making the trace. A trace
    that is short, or that one point alone needs, is made where points run, except a file, which other nodes may not
    have.
    """

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._refs: dict[str, Any] = {}

    def ref(self, point: Point) -> Any:
        """Ray's reference to the trace of a point. None: the point itself makes it, or fails for lack of it."""
        import ray

        identity = point.trace_identity
        if identity not in self._refs:
            try:
                is_shared = point.requests > KEPT_REQUESTS and self._backlog.unfinished(identity) > 1
                if is_shared or workload.find(point.trace, project_root()) is not None:
                    with warnings.catch_warnings(action="ignore"):  # shown when the points were built
                        self._refs[identity] = ray.put(workload.load(point.trace, project_root()))
            except SimError:
                return None
        return self._refs.get(identity)

    def release(self) -> None:
        """Drop the traces that no point needs any more."""
        for identity in self._backlog.unneeded_traces():
            self._refs.pop(identity, None)


@contextmanager
def _ray_is_there() -> Iterator[None]:
    """Raise LauncherError for an error of Ray itself; a point's errors are in its outcome."""
    import ray

    try:
        yield
    except (OSError, ray.exceptions.RayError) as error:
        reason = f"Ray is gone ({_first_line(error)})"
        raise LauncherError(f"{reason}; finished points are kept, and the same command goes on from there") from error


@contextmanager
def _owner_alone() -> Iterator[None]:
    """Within this block new files and sockets, such as the token and the logs of a cluster, are their owner's alone.
    A token that Ray left readable by all users of the machine is closed to them."""
    before = os.umask(0o077)
    try:
        with suppress(OSError):
            _TOKEN.expanduser().chmod(0o600)
        yield
    finally:
        os.umask(before)


def _check_token(address: str) -> None:
    """Raise Ray's error for a missing or wrong token. `ray.init` would retry for long, and then not give the reason."""
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    ensure_token_if_auth_enabled(create_token_if_missing=False)
    GcsClient(address=address)


def _no_cluster(error: Exception) -> str:
    """Why `ray.init` failed, in one line."""
    import ray

    if isinstance(error, ray.exceptions.AuthenticationError) or "authentication token" in str(error):
        return _NO_TOKEN
    if "ersion mismatch" in str(error):
        return f"{' '.join(str(error).split())}: install the same versions on all machines (requirements.lock)"
    return f"no Ray cluster: {_first_line(error)}"


def _lost_by(error: Exception) -> str:
    """What was lost together with a task: a key of `MOST_LOST`."""
    import ray

    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "memory"
    nodes = (ray.exceptions.NodeDiedError, ray.exceptions.ObjectLostError)
    return "node" if isinstance(error, nodes) else "worker"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _run(task: Sequence[Point], timeout_s: float | None, identities: Sequence[str], *traces: Trace) -> list[Outcome]:
    trace_of = dict(zip(identities, traces, strict=True))
    return [
        run_point(point, project_root(), timeout_s=timeout_s, trace=trace_of.get(point.trace_identity))
        for point in task
    ]
