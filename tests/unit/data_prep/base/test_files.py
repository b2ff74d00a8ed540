"""Files and folders that are made under temporary names, and what a killed run leaves of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.base.errors import InputError
from data_prep.base.files import PARTIAL, atomic, partial_folder, remove_partial, sole_writer


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_what_killed_runs_left_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    (tmp_path / f".x.json.abc{PARTIAL}").touch()
    (tmp_path / f"deep/.folder.abc{PARTIAL}").mkdir(parents=True)
    (tmp_path / f"deep/.folder.abc{PARTIAL}/file").touch()
    (tmp_path / f"mine{PARTIAL}").touch()  # a user's file: ours begin with a dot
    with atomic(tmp_path / "x.json") as file, partial_folder(tmp_path, "folder") as folder:
        (folder / "inside").touch()
        remove_partial(tmp_path, deep=False)
        assert (tmp_path / f"deep/.folder.abc{PARTIAL}").is_dir(), "not at any depth"
        remove_partial(tmp_path)
        expected = {file.name, folder.name, f"{folder.name}/inside", "deep", f"mine{PARTIAL}"}
        assert names(tmp_path) == expected, "what is being written must stay, and what was left must go"
    assert names(tmp_path) == {"x.json", "deep", f"mine{PARTIAL}"}


def test_a_killed_writer_holds_nothing(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from data_prep.base.files import atomic, partial_folder\n"
    script += "place = Path(sys.argv[1])\nwith atomic(place / 'x'), partial_folder(place, 'y'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert len(names(tmp_path)) == 2, "a file and a folder are left"
    remove_partial(tmp_path)
    assert not names(tmp_path)


def test_one_writer_a_folder(tmp_path: Path) -> None:
    with sole_writer(tmp_path):
        with pytest.raises(InputError, match="another run is writing"), sole_writer(tmp_path):
            pass
    with sole_writer(tmp_path), pytest.raises(BlockingIOError), sole_writer(tmp_path.parent):
        raise BlockingIOError  # an error of the work itself is no matter of the lock


def test_a_process_that_outlives_its_parent_holds_no_lock_of_it(tmp_path: Path) -> None:
    """Such as a process that reads data for a training that was killed: the rerun must not be refused."""
    ready, say_ready = os.pipe()
    waiting, told = os.pipe()
    with sole_writer(tmp_path), atomic(tmp_path / "x"):
        child = os.fork()
        if child == 0:
            os.close(told)
            os.write(say_ready, b".")
            os.read(waiting, 1)  # until the test closes the other end
            os._exit(0)
    os.read(ready, 1)
    with sole_writer(tmp_path):
        pass
    os.close(told)
    assert os.waitpid(child, 0)[1] == 0
