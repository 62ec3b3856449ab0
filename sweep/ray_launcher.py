"""Points on Ray: a cluster of our own on this machine, or one that is already there. The only file importing ray."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from configs.address import check_answers
from sim_core import __version__
from sim_core.errors import SpecError
from sweep.interrupt import Interrupts
from sweep.launcher import LauncherError
from sweep.point import Outcome, Point, failed_outcome, project_root
from sweep.raw_logs import raw_logs_dropped

LOCAL = "local"
_WAIT_S = 0.25  # how long an interrupt or a new node may go unnoticed
_MAX_RETRIES = 3  # of a point whose worker was killed
_STORE_BYTES = 256 * 2**20
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns about GPUs that nobody asked for
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # a killed worker or node is no reason for raw logs across the progress line
    "RAY_grpc_client_keepalive_time_ms": "10000",  # a node that went silent is noticed in seconds, not minutes
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
}
_HOST_PORT = re.compile(r"[^:/]+:\d+|\[[^]]+\]:\d+")
_NO_TOKEN = (
    "authentication failed: this cluster asks for a token. Set RAY_AUTH_MODE=token, and have the cluster's token in"
    " ~/.ray/auth_token (or in a file that RAY_AUTH_TOKEN_PATH names)"
)
_NOT_SHIPPED = [".git", ".venv", "results", "outputs", "multirun", "mlruns", "tests", "**/__pycache__", ".*_cache"]


class RayLauncher:
    """A `Launcher` on Ray, one point a core.

    `address`: "local" starts a cluster on this machine's loopback and stops it at the end; anything else joins one
    ("auto" finds it). `jobs`: points at once, None for as many as there are cores.
    """

    def __init__(self, address: str = LOCAL, jobs: int | None = None) -> None:
        self._address = address
        self._jobs = jobs
        self._cores = 1
        self._pending: dict[Any, Point] = {}

    @property
    def running(self) -> int:
        """See `Launcher`."""
        return min(len(self._pending), self._cores)

    def __enter__(self) -> Self:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)  # Ray reads them when it is imported and when it starts
        check_answers(self._address, "--address")
        import ray

        try:
            with raw_logs_dropped():
                if _HOST_PORT.fullmatch(self._address):
                    _check_token(self._address)
                ray.init(address=self._address, **self._init_arguments())
        except Exception as error:  # whatever it is, there is nothing to run on
            ray.shutdown()
            if isinstance(error, ray.exceptions.AuthenticationError) or "authentication token" in str(error):
                reason = _NO_TOKEN
            else:
                reason = "no Ray cluster: " + (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SpecError(reason, key="--address", value=self._address) from error
        self._task = ray.remote(num_cpus=1, max_retries=_MAX_RETRIES)(_run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        for ref in self._pending:  # of a cluster that stays; ours ends with all that runs on it
            if self._address != LOCAL:
                ray.cancel(ref, force=True)
        self._pending.clear()
        ray.shutdown()

    def outcomes(self, points: Sequence[Point], interrupts: Interrupts) -> Iterator[Outcome]:
        """See `Launcher`. At most two points a core are handed to Ray, results are fetched at once."""
        import ray

        try:
            yield from self._outcomes(points, interrupts)
        except (OSError, ray.exceptions.RayError) as error:  # not a point's: those are in what it fetches
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise LauncherError(
                f"Ray is gone ({reason}); what is finished is kept, and the same command goes on from there"
            ) from error

    def _outcomes(self, points: Sequence[Point], interrupts: Interrupts) -> Iterator[Outcome]:
        import ray

        waiting = iter(points)
        exhausted = False
        while not interrupts.requested:
            self._cores = self._count_cores()  # nodes come and go
            while not exhausted and len(self._pending) < 2 * self._cores:
                point = next(waiting, None)
                if point is None:
                    exhausted = True
                else:
                    self._pending[self._task.remote(point)] = point
            if not self._pending:
                return
            ready, _ = ray.wait(list(self._pending), num_returns=1, timeout=_WAIT_S)
            for ref in ready:
                yield self._fetch(ref, self._pending.pop(ref))

    def _fetch(self, ref: Any, point: Point) -> Outcome:
        import ray

        try:
            outcome: Outcome = ray.get(ref)
            return outcome
        except ray.exceptions.RayError as error:
            reason = (str(error).strip().splitlines() or [""])[0]
            return failed_outcome(point, f"{type(error).__name__}: {reason}\n{error}", version=__version__)

    def _count_cores(self) -> int:
        import ray

        cores = int(ray.cluster_resources().get("CPU", 0))
        return max(1, min(cores, self._jobs) if self._jobs else cores)

    def _init_arguments(self) -> dict[str, Any]:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
        if self._address != LOCAL:
            shipped = {"working_dir": str(project_root()), "excludes": _NOT_SHIPPED}
            return {**quiet, "runtime_env": shipped}
        return {
            **quiet,
            "num_cpus": self._jobs or len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
        }


def _check_token(address: str) -> None:
    """Raise what Ray has for a token that is missing or wrong: `ray.init` tries for long, and then does not say why."""
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    ensure_token_if_auth_enabled(create_token_if_missing=False)
    GcsClient(address=address)


def _run(point: Point) -> Outcome:
    from sweep.worker import run_point

    return run_point(point, project_root())
