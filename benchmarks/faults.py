"""Break clusters while sweeps run on them, and count the points that are lost, or run again although finished.

    python benchmarks/faults.py [--times 3] [FAULT ...]

Needs root, since it unplugs cables, hides folders and fills disks, all in namespaces and file systems of its own. A
point is lost if the journal has no sound entry of it in the end, and doubled if its entry was written twice.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sync.results.journal import Journal
from tests.faults.clusters import ROOT, Cluster, Node, cluster, experiment, wait_for

POINTS = 16
EXPERIMENT = experiment("range(60, 76)", "rr_conv_${rate}_5min")
NETWORK, HEAD_IP, NODE_IP = "faults", "10.213.0.1", "10.213.0.2"


@dataclass
class Sweep:
    """A sweep by the command line, which may be started several times, with a thread that watches its journal."""

    folder: Path
    options: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    written: dict[str, set[int]] = field(default_factory=dict)
    watching: bool = True
    result: tuple[int, int, int] = (POINTS, POINTS, POINTS)  # points lost, doubled, failed

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder.parent / "faults.yaml").write_text(EXPERIMENT)
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sweep", str(self.folder.parent / "faults.yaml"), "--sink", "none"]
        command += ["--results", str(self.folder), *self.options]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "RAY_AUTH_MODE": "disabled", **self.environment},
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen[str], patience_s: float = 600.0) -> int:
        out, err = process.communicate(timeout=patience_s)
        self.said += [line for line in (out + err).splitlines() if line.strip()]
        return process.returncode

    def done(self) -> int:
        return len(list(self.folder.glob("faults/points/*.json")))

    def wait(self, count: int) -> None:
        wait_for(lambda: self.done() >= count, f"{count} finished points")

    def _look(self) -> None:
        while self.watching:
            for path in self.folder.glob("faults/points/*.json"):
                try:
                    self.written.setdefault(path.stem, set()).add(path.stat().st_ino)  # a name takes a new file
                except OSError:
                    continue
            time.sleep(0.05)

    def counts(self) -> tuple[int, int, int]:
        """See `result`."""
        self.watching = False
        self._watch.join()
        journal = Journal(self.folder / "faults")
        found = [journal.read(p.key) for p in expand(parse_experiment(EXPERIMENT, "faults.yaml"), [], ROOT)]
        lost = sum(outcome is None for outcome in found)
        return (
            lost,
            sum(len(files) > 1 for files in self.written.values()),
            sum(outcome is not None and outcome.status == "failed" for outcome in found),
        )


@contextmanager
def sweep_on(made: Cluster, *options: str, folder: Path | None = None) -> Iterator[Sweep]:
    place = Path(tempfile.mkdtemp(prefix="faults"))
    sweep = Sweep(folder or place / "results", ["--address", made.address, *options])
    try:
        yield sweep
        sweep.result = sweep.counts()
    finally:
        sweep.watching = False
        shutil.rmtree(place, ignore_errors=True)


def busy(node: Node) -> int:
    return wait_for(node.workers, "busy worker")[0]


def worker_killed() -> tuple[Sweep, int]:
    with cluster(2) as made, sweep_on(made) as sweep:
        process = sweep.start()
        for count in (1, 4, 7):
            sweep.wait(count)
            os.kill(busy(made.nodes[0]), signal.SIGKILL)
        return sweep, sweep.end(process)


@contextmanager
def second_node_at_work() -> Iterator[tuple[Cluster, Sweep, subprocess.Popen[str]]]:
    with cluster(1) as made, sweep_on(made) as sweep:
        made.add_node(1)
        process = sweep.start()
        sweep.wait(3)
        busy(made.nodes[1])
        yield made, sweep, process


def node_removed() -> tuple[Sweep, int]:
    with second_node_at_work() as (made, sweep, process):
        made.nodes[1].kill()
        sweep.wait(6)
        made.add_node(1)
        return sweep, sweep.end(process)


def node_frozen() -> tuple[Sweep, int]:
    with second_node_at_work() as (made, sweep, process):
        made.nodes[1].freeze()
        return sweep, sweep.end(process)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def cable() -> Iterator[list[str]]:
    """A network of two ends. How a command begins that runs at the far one, where the project's folder is empty."""
    ip("netns", "add", NETWORK)
    try:
        ip("link", "add", "faults0", "type", "veth", "peer", "name", "faults1", "netns", NETWORK)
        ip("addr", "add", f"{HEAD_IP}/24", "dev", "faults0")
        ip("link", "set", "faults0", "up")
        ip("-n", NETWORK, "addr", "add", f"{NODE_IP}/24", "dev", "faults1")
        ip("-n", NETWORK, "link", "set", "faults1", "up")
        ip("-n", NETWORK, "link", "set", "lo", "up")
        hide = f'mount -t tmpfs none "{ROOT}" && exec "$@"'
        yield ["ip", "netns", "exec", NETWORK, "unshare", "--mount", "sh", "-c", hide, "sh"]
    finally:
        ip("netns", "del", NETWORK)
        subprocess.run(["ip", "link", "del", "faults0"], check=False, stderr=subprocess.DEVNULL)


@contextmanager
def far_cluster() -> Iterator[Cluster]:
    """A head here that runs no points, and a node at the far end of a cable that cannot see the project's folder."""
    folder = Path(tempfile.mkdtemp(prefix="r"))
    with cable() as within:
        made = Cluster(folder, {}, HEAD_IP)
        try:
            made.start_head(0)
            made.add_node(1, within=within, ip=NODE_IP)
            yield made
        finally:
            made.stop()
            shutil.rmtree(folder, ignore_errors=True)


def folder_out_of_sight() -> tuple[Sweep, int]:
    with far_cluster() as made, sweep_on(made) as sweep:
        return sweep, sweep.end(sweep.start())


def cable_pulled() -> tuple[Sweep, int]:
    with far_cluster() as made, sweep_on(made) as sweep:
        process = sweep.start()
        sweep.wait(3)
        ip("link", "set", "faults0", "down")
        pulled_s = time.monotonic()
        made.add_node(1)
        sweep.wait(sweep.done() + 3)
        sweep.said.append(f"went on {time.monotonic() - pulled_s:.0f} s after the cable was pulled")
        return sweep, sweep.end(process)


def driver_stopped(sign: signal.Signals, *counts: int) -> tuple[Sweep, int]:
    """Stop the driver by a signal when each of `counts` points are done, and start it again each time."""
    with cluster(2) as made, sweep_on(made) as sweep:
        for count in counts:
            process = sweep.start()
            sweep.wait(count)
            os.killpg(process.pid, sign)
            assert sweep.end(process) == (130 if sign == signal.SIGINT else -sign)
        return sweep, sweep.end(sweep.start())


def head_killed() -> tuple[Sweep, int]:
    with cluster(2) as made, sweep_on(made) as sweep:
        process = sweep.start()
        sweep.wait(3)
        made.nodes[0].kill()
        assert sweep.end(process) == 1
        made.nodes.clear()
        made.start_head(2)
        return sweep, sweep.end(sweep.start())


def disk_full() -> tuple[Sweep, int]:
    with cluster(2) as made, tempfile.TemporaryDirectory() as place:
        mount = Path(place) / "results"
        mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(mount)], check=True)
        try:
            with sweep_on(made, folder=mount) as sweep:
                assert sweep.end(sweep.start()) == 1
                subprocess.run(["mount", "-o", "remount,size=200m", str(mount)], check=True)
                return sweep, sweep.end(sweep.start())
        finally:
            subprocess.run(["umount", str(mount)], check=True)


def memory_short() -> tuple[Sweep, int]:
    """For some seconds another process takes the memory that Ray leaves free."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    used = 1.0 - int(told["MemAvailable"].split()[0]) * 1024 / total
    limits = {"RAY_memory_usage_threshold": f"{used + 0.14:.3f}", "RAY_memory_monitor_refresh_ms": "100"}
    with cluster(2, **limits) as made, sweep_on(made) as sweep:
        process = sweep.start()
        sweep.wait(3)
        script = f"import time; taken = b'x' * {int(0.2 * total)}; time.sleep(4)"
        subprocess.run([sys.executable, "-c", script], check=True)
        return sweep, sweep.end(process)


def too_long() -> tuple[Sweep, int]:
    with cluster(2) as made, sweep_on(made, "--timeout-per-run", "0.01") as sweep:
        assert sweep.end(sweep.start()) == 1
        sweep.options = ["--address", made.address, "--retry-failed"]
        status = sweep.end(sweep.start())
        sweep.experiment.written.clear()  # all were written twice, which is what was asked for
        return sweep, status


FAULTS: dict[str, tuple[str, Callable[[], tuple[Sweep, int]]]] = {
    "worker": ("three workers killed (SIGKILL)", worker_killed),
    "removed": ("a node removed, another one joins", node_removed),
    "frozen": ("a node that answers no more (SIGSTOP)", node_frozen),
    "cable": ("a network cable pulled, another node joins", cable_pulled),
    "folder": ("a node in another network that cannot see the project's folder", folder_out_of_sight),
    "head": ("the head killed, a new cluster, the sweep started again", head_killed),
    "driver": ("the driver killed three times and started again", partial(driver_stopped, signal.SIGKILL, 2, 5, 9)),
    "interrupt": ("Ctrl-C twice, each time started again", partial(driver_stopped, signal.SIGINT, 3, 7)),
    "memory": ("the memory of a node taken by others (Ray's monitor kills workers)", memory_short),
    "disk": ("the driver's disk full, then not, and the sweep started again", disk_full),
    "timeout": ("every run over --timeout-per-run, then --retry-failed without it", too_long),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of: {', '.join(FAULTS)} (default: all)")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--verbose", action="store_true", help="what each sweep said")
    arguments = parser.parse_args()
    print("| fault | times | points each | lost | doubled | failed | seconds |\n" + "|---" * 7 + "|", flush=True)
    for name in arguments.faults or FAULTS:
        told, fault = FAULTS[name]
        sums, began_s = [0, 0, 0], time.monotonic()
        for _ in range(arguments.times):
            sweep, status = fault()
            sums = [a + b for a, b in zip(sums, sweep.result, strict=True)]
            if arguments.verbose or status != 0 or any(sweep.result):
                print(f"  exit status {status}", *sweep.said[-6:], sep="\n  ", file=sys.stderr, flush=True)
        each_s = (time.monotonic() - began_s) / arguments.times
        print(f"| {told} | {arguments.times} | {POINTS} | {' | '.join(map(str, sums))} | {each_s:.0f} |", flush=True)


if __name__ == "__main__":
    main()
