"""Lists of paths: a colon between two, and a colon that belongs to the name of one."""

from pathlib import Path

import pytest

from meta_nmt.runs.path_lists import split_paths


@pytest.mark.parametrize(
    "paths",
    [
        ["a.pt"],
        ["a.pt", "b.pt"],
        ["run 12:30/a.pt"],
        ["run 12:30/a.pt", "a.pt"],
        ["a.pt", "run 12:30/a.pt", "run 12:30/b:c:d.pt"],
        ["not there.pt", "nor this"],
        ["not:there"],
    ],
)
def test_a_colon_in_a_name_ends_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run 12:30").mkdir()
    for name in ("a.pt", "b.pt", "run 12:30/a.pt", "run 12:30/b:c:d.pt", "run 12"):
        Path(name).touch()
    wanted = ["not", "there"] if paths == ["not:there"] else paths
    assert split_paths(":".join(paths)) == wanted
    absolute = [str(tmp_path / path) for path in wanted]
    assert split_paths(":".join(absolute)) == absolute
