"""Real Ray clusters of several nodes on one machine, each node a set of processes that can be killed or frozen."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"


def experiment(rates: str, trace: str = "rr_conv_${rate}") -> str:
    """The text of an experiment with one point for each rate, on forty machines.

    A point simulates ten minutes of traffic, which takes about a second at a rate of 60. `trace` may name another
    workload.
    """
    return f"""\
name: faults
overrides:
  cluster: half_half
  cluster.servers.0.count: 0
  cluster.servers.1.count: 40
  performance_model: db
  start_state: baseline
  applications.0.scheduler: token_jsq
  trace.filename: {trace}
axes: {{rate: "{rates}"}}
systems: {{one: {{}}}}
"""


def wait_for(found: Callable[[], T], what: str, patience_s: float = 120.0) -> T:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError(f"no {what} within {patience_s:g} s")


def free_port() -> int:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        return int(free.getsockname()[1])


def descendants(pid: int) -> dict[int, str]:
    """The command lines of all processes below `pid`, by their process ids."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError):  # it ended meanwhile
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    below: dict[int, str] = {}
    for child in parents:
        above = child
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and child != pid:
            with suppress(OSError):
                line = (Path("/proc") / str(child) / "cmdline").read_bytes()
                below[child] = line.replace(b"\0", b" ").decode(errors="replace")
    return below


def listening_hosts(processes: Iterable[int]) -> set[str]:
    """The addresses at which these processes take TCP connections; all interfaces are `0.0.0.0` or `::`."""
    host_of: dict[str, str] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A":  # LISTEN
                words = bytes.fromhex(columns[1].partition(":")[0])  # of four bytes each, the lowest byte first
                address = ip_address(b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4)))
                mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
                host_of[f"socket:[{columns[9]}]"] = str(mapped or address)
    hosts: set[str] = set()
    for pid in processes:
        with suppress(OSError):  # it ended meanwhile
            files = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
            hosts.update(host_of[file] for file in files if file in host_of)
    return hosts


class Node:
    """A node of a cluster: a `ray start` process and the processes below it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._frozen: set[int] = set()

    def workers(self) -> list[int]:
        """The ids of the processes that run points at this moment."""
        return [pid for pid, line in descendants(self._process.pid).items() if line.startswith("ray::_run")]

    def kill(self) -> None:
        """End all of its processes at once, as a power cut does."""
        pids = [self._process.pid, *descendants(self._process.pid), *self._frozen]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(60)

    def freeze(self) -> None:
        """Stop all of its processes, as if the network were cut: they answer nothing and close no connection."""
        self._frozen = {self._process.pid, *descendants(self._process.pid)}
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None


class Cluster:
    """A Ray cluster: a head node, and the nodes that `add_node` adds."""

    def __init__(self, folder: Path, environment: Mapping[str, str], address: str = LOOPBACK) -> None:
        self._folder = folder
        self._environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", **environment}
        self._ip = address
        self.address = f"{address}:{free_port()}"
        self.dashboard = f"{address}:{free_port()}"
        self.nodes: list[Node] = []

    def start_head(self, cpus: int, *, dashboard: bool = False) -> Node:
        options = ["--head", f"--port={self.address.rpartition(':')[2]}", f"--temp-dir={self._folder}"]
        options += [f"--include-dashboard={'true' if dashboard else 'false'}", "--dashboard-host=127.0.0.1"]
        options += [f"--dashboard-port={self.dashboard.rpartition(':')[2]}", f"--ray-client-server-port={free_port()}"]
        return self._start(options, self._ip, cpus, [], {})

    def add_node(self, cpus: int, *, within: Sequence[str] = (), ip: str | None = None, **environment: str) -> Node:
        """Start one more node. `within` is a command that starts it elsewhere, such as in a network namespace;
        `environment` is added to that of the node."""
        # Each node has its own folder: in a shared one a node takes the code that others were sent for an old copy and
        # removes it.
        own = self._folder / f"n{len(self.nodes)}"
        options = [f"--address={self.address}", f"--temp-dir={own}"]
        return self._start(options, ip or self._ip, cpus, within, environment)

    def _start(
        self, options: Sequence[str], ip: str, cpus: int, within: Sequence[str], environment: Mapping[str, str]
    ) -> Node:
        sockets = len(self._sockets())
        command = [*within, str(Path(sys.executable).with_name("ray")), "start", "--block", f"--num-cpus={cpus}"]
        # An agent whose port another cluster on this machine has takes no jobs.
        command += [f"--dashboard-agent-listen-port={free_port()}"]
        command += [f"--node-ip-address={ip}", "--object-store-memory=200000000", *options]
        log = (self._folder / f"node-{len(self.nodes)}.log").open("wb")
        # Outside of the project's folder, so that a node has only the code that it was sent.
        process = subprocess.Popen(
            command, env={**self._environment, **environment}, cwd=self._folder, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        node = Node(process)
        self.nodes.append(node)
        wait_for(lambda: len(self._sockets()) > sockets or not node.alive, "node")
        assert node.alive, Path(log.name).read_text()
        return node

    def _sockets(self) -> list[Path]:
        return list(self._folder.rglob("session_*/sockets/raylet*"))

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.kill()


@contextmanager
def cluster(cpus: int, *, dashboard: bool = False, **environment: str) -> Iterator[Cluster]:
    """A cluster whose head has `cpus` cores; `environment` is added to that of all of its nodes."""
    folder = Path(tempfile.mkdtemp(prefix="r"))  # short, as a socket's path may have 107 characters
    made = Cluster(folder, environment)
    try:
        made.start_head(cpus, dashboard=dashboard)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
