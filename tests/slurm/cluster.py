"""A Slurm with two nodes on this machine: munged, slurmctld and two slurmd on loopback, all in one folder.

It keeps no accounts, as small clusters do, so sacct can't answer. Nothing is written outside the folder. The processes
of its jobs are known by SLURM_CONF in their environment.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

NODES = ("n1", "n2")
STARTS_S = 120  # no daemon takes longer, even on a busy machine
CONFIGURATION = """\
ClusterName=trial
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=15
KillWait=5
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={n1} CPUs=4
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={n2} CPUs=4
PartitionName=main Nodes=n1,n2 Default=YES DefaultTime=30 MaxTime=600 State=UP
"""


def wait_until(condition: Callable[[], object], what: str, limit_s: float = 300) -> None:
    """Wait until a condition holds; AssertionError that names it where it does not in time."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit_s:.0f} s"
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Cluster:
    """The daemons, and what is asked of them. Use `running`, which ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        controller, first, second = _free_ports(3)
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (folder / name).mkdir()
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        text = CONFIGURATION.format(folder=folder, user=getpass.getuser(), controller=controller, n1=first, n2=second)
        (folder / "slurm.conf").write_text(text)
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the daemons, and wait until both nodes take jobs."""
        os.environ["SLURM_CONF"] = str(self.folder / "slurm.conf")
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "log-file": "munge.log"}
        flags = [f"--{flag}={self.folder / name}" for flag, name in (files | {"seed-file": "munge.seed"}).items()]
        # --force: its folder, which no other user may read, is good enough for it
        self._start("munged", ["munged", "--foreground", "--force", "--num-threads=2", *flags])
        wait_until((self.folder / "munge.socket").exists, "munged is there", STARTS_S)
        self._start("slurmctld", ["slurmctld", "-D"])
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: all(self.state(node) == "idle" for node in NODES), "both nodes are idle", STARTS_S)

    def _start(self, name: str, command: Sequence[str]) -> None:
        with open(self.folder / f"{name}.out", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def start_node(self, node: str) -> None:
        """Start a node, for the first time or after a crash."""
        self._start(node, ["slurmd", "-D", "-N", node])

    def crash_node(self, node: str) -> None:
        """End a node as a loss of power would: its daemon and all processes of its jobs, with kill -9."""
        self.daemons[node].kill()
        self.daemons[node].wait()
        for pid in self.processes(f"SLURMD_NODENAME={node}"):
            _kill(pid)

    def processes(self, *variables: str) -> list[int]:
        """The processes of this cluster's jobs, and the slurmsteps that started them, the oldest first.

        ``variables``: only those that have each of these in their environment.
        """
        wanted = {f"SLURM_CONF={self.folder / 'slurm.conf'}", *variables}
        found: set[int] = set()
        for pid in _pids():
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                is_step = Path(f"/proc/{parent}/comm").read_text() == "slurmstepd\n"
            except OSError:  # it has ended
                continue
            if wanted <= set(environment) and any(line.startswith("SLURM_JOB_ID=") for line in environment):
                found |= {parent, pid} if is_step else {pid}
        return sorted(found)

    def state(self, node: str) -> str:
        """The state of a node in Slurm's words."""
        return asked("sinfo", "--noheader", f"--nodes={node}", "--format=%t").strip()

    def stop(self) -> None:
        """End the daemons and every process of a job."""
        subprocess.run(["scancel", "--user", getpass.getuser()], capture_output=True, timeout=STARTS_S)
        for name in (*NODES, "slurmctld", "munged"):
            if name in self.daemons and self.daemons[name].poll() is None:
                self.daemons[name].terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for pid in self.processes():
            _kill(pid)


def _pids() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def asked(*command: str) -> str:
    """What a command of Slurm prints; AssertionError with its words where it fails."""
    answer = subprocess.run(command, capture_output=True, text=True, timeout=STARTS_S)
    assert answer.returncode == 0, f"{' '.join(command)}: {answer.stderr.strip()}"
    return answer.stdout


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster that runs in this context, and is ended after it, whatever happens."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
