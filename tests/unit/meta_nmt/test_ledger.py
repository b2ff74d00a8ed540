"""The results file: appended to by one process, whole after a kill."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from data_prep.base.errors import InputError
from meta_nmt.ledger import FILE_NAME, Ledger, latest, read_ledger


def line(job: str, state: str) -> dict[str, str]:
    return {"kind": "job", "job": job, "state": state}


def test_lines_are_kept_and_the_last_of_a_job_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / FILE_NAME
    with Ledger(path) as ledger:
        ledger.append(line("a", "failed"))
        ledger.append({"kind": "choice", "chosen": "ü"})
    with Ledger(path) as ledger:
        assert ledger.lines == [line("a", "failed"), {"kind": "choice", "chosen": "ü"}], "what the first run wrote"
        ledger.append(line("a", "finished"))
    assert read_ledger(path) == ledger.lines
    assert latest(read_ledger(path)) == {"a": line("a", "finished")}


@pytest.mark.parametrize("torn", [b'{"kind": "job", "jo', b'{"kind": "job"}', b"\xc3"])
def test_a_torn_last_line_is_set_aside(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / FILE_NAME
    with Ledger(path) as ledger:
        ledger.append(line("a", "finished"))
    with open(path, "ab") as file:
        file.write(torn)
    assert read_ledger(path) == [line("a", "finished")], "a reader passes over it"
    with Ledger(path) as ledger:
        ledger.append(line("b", "finished"))
    assert read_ledger(path) == [line("a", "finished"), line("b", "finished")]
    assert Path(f"{path}.torn").read_bytes() == torn + b"\n"


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(json.dumps(line("a", "finished")) + "\n{half\n" + json.dumps(line("b", "finished")) + "\n")
    for opened in (read_ledger, Ledger):
        with pytest.raises(InputError, match=f"{FILE_NAME}, line 2: must be a JSON object"):
            opened(path)


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    pid = os.fork()
    if pid == 0:
        with Ledger(path) as ledger:
            ledger.append(line("a", "finished"))
            time.sleep(60)
        os._exit(0)
    try:
        while not path.exists() or not path.read_bytes():
            time.sleep(0.01)
        with pytest.raises(InputError, match=f"one evaluation at a time, but process {pid} on "):
            Ledger(path)
        assert read_ledger(path) == [line("a", "finished")], "anyone may read"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with Ledger(path) as ledger:
        assert ledger.lines == [line("a", "finished")], "a killed writer locks nobody out"
