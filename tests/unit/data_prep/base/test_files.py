"""Files and folders: made under temporary names, left by a killed run, and given by anybody."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.base import files
from data_prep.base.errors import InputError
from data_prep.base.files import PARTIAL, atomic, check_given, partial_folder, read_json, remove_partial, sole_writer


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


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"x": %s}' % ("1" * 5000), "must be JSON"),
        ('{"x": "\\ud800"}', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        ("[" * 100_000, "nested too deeply"),
        ('{"x": ', "line 1: must be JSON"),
        (b'{"x": "\xff"}', "must be UTF-8 JSON"),
    ],
)
def test_json_that_is_none_is_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as error:
        read_json(path)
    assert str(error.value).startswith(str(path)) and words in str(error.value) and "\n" not in str(error.value)


def test_whole_characters_in_two_halves_and_backslashes_are_json(tmp_path: Path) -> None:
    (tmp_path / "some.json").write_text('["\\ud83d\\ude00", "\\\\ud800"]')
    assert read_json(tmp_path / "some.json") == ["\U0001f600", "\\ud800"]


def test_json_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_JSON", 10)
    (tmp_path / "some.json").write_text('"0123456789"')
    with pytest.raises(InputError, match="at most 10 bytes"):
        read_json(tmp_path / "some.json")


def test_links_out_of_a_folder_and_what_is_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("secret")
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "plain").write_text("plain")
    (folder / "inside").symlink_to("plain")
    (folder / "out").symlink_to("../secret")
    (folder / "absolute").symlink_to(tmp_path / "secret")
    (folder / "nowhere").symlink_to("../absent")
    (folder / "itself").symlink_to("itself")
    (folder / "way").symlink_to("../outside")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    check_given(folder, dict.fromkeys([folder / "plain", folder / "inside", folder / "absent"], 5))
    for name in ("out", "absolute", "nowhere", "itself", "way/file", "folder", "pipe"):
        with pytest.raises(InputError, match=f"{name}: must "):
            check_given(folder, {folder / name: 100})
    with pytest.raises(InputError, match="must have at most 4 bytes, but has 5"):
        check_given(folder, {folder / "plain": 4})
    (tmp_path / "link").symlink_to(folder)
    check_given(tmp_path / "link", {tmp_path / "link/plain": 5})


def test_a_file_system_without_locks_stops_no_run(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("data_prep.base.files.fcntl.flock", refuse)
    with sole_writer(tmp_path):
        (tmp_path / "written").touch()
