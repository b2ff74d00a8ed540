"""Workers beside each other, here processes on one machine that talk through gloo."""

import subprocess
import sys
from pathlib import Path

import pytest
from arguments import arguments
from campaign import distributed, runs

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("tasks, flags", [(4, ""), (3, "--dropout 0.2")])
def test_two_workers_make_the_same_update_as_one(data, tmp_path, tasks, flags):
    assert distributed.same_update(data, tmp_path, tasks, 2, f"--disable-validation {flags}") < 1e-6


def test_a_killed_worker_ends_the_other_and_one_alone_goes_on(data, tmp_path):
    seconds, other = distributed.killed_worker(data, tmp_path / "run", 1)
    assert seconds < distributed.MINUTE_S
    assert len(other.last_lines()) == 1 and "another worker ended" in other.last_lines()[0], other.last_lines()
    state = runs.state(tmp_path / "run") if (tmp_path / "run/checkpoint_last.pt").exists() else None
    flags = runs.train_flags(data, tmp_path / "run", "--max-update 6")
    if state is None or state["schedule"]["num_updates"] < 6:
        runs.run(distributed.TRAIN, flags, tmp_path / "alone.log")
        assert runs.state(tmp_path / "run")["schedule"]["num_updates"] == 6


@pytest.mark.parametrize(
    "before, after", [pytest.param(2, 1, marks=pytest.mark.slow), (1, 2), pytest.param(2, 3, marks=pytest.mark.slow)]
)
def test_another_number_of_workers_goes_on_to_the_same_end(data, tmp_path, before, after):
    assert distributed.other_number(data, tmp_path, before, after) < 1e-6


@pytest.mark.slow
def test_workers_that_the_command_starts_itself(data, tmp_path):
    seconds, process = distributed.killed_spawned_worker(data, tmp_path / "run")
    assert seconds < distributed.MINUTE_S
    assert "a worker was ended from outside (SIGKILL)" in process.last_lines()[-1], process.last_lines()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "--distributed-world-size"])
def test_launchers(data, tmp_path, launcher):
    """A whole run by each, with validation and checkpoints, ends where one worker does (float32: nearly)."""
    # Adam would divide rounding errors by themselves
    flags = "--max-update 3 --adam-eps 1e-3"
    runs.run(distributed.TRAIN, runs.train_flags(data, tmp_path / "one", flags), tmp_path / "one.log")
    argv = runs.train_flags(data, tmp_path / "two", flags)
    start = arguments("-m torch.distributed.run --nproc-per-node 2" if launcher == "torchrun" else "")
    more = arguments("" if launcher == "torchrun" else "--distributed-world-size 2")
    command = [sys.executable, *start, "-m", distributed.TRAIN, *argv, *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert distributed.largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5


@pytest.mark.slow
def test_an_error_in_spawned_workers_is_one_line(data, tmp_path):
    argv = runs.train_flags(data, tmp_path / "save", "--distributed-world-size 2 --support-tokens 1000000")
    process = runs.start(distributed.TRAIN, argv, tmp_path / "log")
    assert process.wait() == 2
    assert "--support-tokens" in process.last_lines()[-1] and "Traceback" not in process.text(), process.last_lines()
