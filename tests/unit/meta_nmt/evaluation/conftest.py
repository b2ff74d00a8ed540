import os
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from tqdm import tqdm

from meta_nmt.evaluation.cells import Choice, Job, Option, Step

# counts to ten in a file, from wherever it was: what a training with checkpoints is
COUNT = "n=$(cat {f}/n 2>/dev/null || echo 0); while [ $n -lt 10 ]; do n=$((n+1)); echo $n >{f}/n; echo $n >>{f}/all; "
COUNT += "sleep 0.03; done; touch {f}/checkpoint_last.pt"


def shell(script: str, **places: str) -> tuple[str, ...]:
    return ("sh", "-c", script.format(**places))


def cell(number: int, script: str, needs: tuple[str, ...] = ()) -> Job:
    """A cell whose result is there once the script has succeeded."""
    folder = f"results/{number}"
    command = shell(f"mkdir -p {{f}}; ({script}) && touch {{f}}/result.json", f=f"@out@/{folder}")
    return Job(f"cell/{number}", "cell", (command,), (folder,), (f"{folder}/result.json",), needs, results=folder,
               model="@best.run@")  # fmt: skip


def stub_plan(cells: int) -> list[Step]:
    """Two trainings, one after the other, a choice between two adaptations, and cells that depend on it."""

    def training(name: str, *needs: str) -> Job:
        folder = f"train/{name}"
        return Job(folder, "train", (shell(f"mkdir -p {{f}}; {COUNT}", f=f"@out@/{folder}"),), (folder,),
                   (f"{folder}/checkpoint_last.pt",), needs, resumes=True)  # fmt: skip

    def adaptation(label: str, bleu: float) -> Job:
        folder = f"adapted/{label}"
        log = shlex.quote(f'{{{{"split": "valid", "updates": 1, "bleu": {bleu}}}}}')
        script = f"mkdir -p {{f}}; sleep 0.05; echo {log} >{{f}}/train_log.jsonl; echo {label} >{{f}}/model"
        return Job(folder, "adapt", (shell(script, f=f"@out@/{folder}"),), (folder,), (f"{folder}/model",),
                   ("train/two",))  # fmt: skip

    steps: list[Step] = [training("one"), training("two", "train/one"), adaptation("a", 10.5), adaptation("b", 12.0)]
    options = (Option("a", "adapted/a", "adapted/a"), Option("b", "adapted/b", "adapted/b"))
    steps.append(Choice("best", "model", "stubs", options))
    script = "sleep 0.05; cat @out@/@best.run@/model @out@/train/two/all >{f}/text"
    return [*steps, *(cell(number, script, ("best",)) for number in range(cells))]


def in_a_process(function: Callable[[], object]) -> int:
    """The pid of a process that runs the function: a copy of this one, which has everything loaded."""
    pid = os.fork()
    if pid:
        return pid
    try:
        tqdm.set_lock(threading.RLock())  # its own is shared with this process, and a killed one never gives it back
        os._exit(0 if function() else 1)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(70)


def processes_at(folder: Path) -> list[int]:
    """Pids of processes, this one aside, whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in command:
                found.append(int(entry.name))
    return found


@pytest.fixture
def out(tmp_path: Path):
    """An evaluation's folder; what is still at work in it when the test ends is ended."""
    folder = tmp_path / "out"
    yield folder
    for _ in range(50):
        for pid in processes_at(folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not processes_at(folder):
            return
        time.sleep(0.05)
