"""The commit of the code: that of a clone, and of no repository that only surrounds an installation."""

import subprocess
from pathlib import Path

import pytest

from data_prep.base import versions


def repository(folder: Path) -> Path:
    """A repository with one commit."""
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "file").write_text("x")
    name = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], [*name, "commit", "-q", "-m", "m"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder.resolve()


def test_the_commit_of_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "CODE", repository(tmp_path))
    commit = versions.commit()
    assert len(commit) == 40
    (tmp_path / "package" / "file").write_text("y")
    assert versions.commit() == f"{commit}-dirty"


@pytest.mark.parametrize("inside", ["package", "absent"])
def test_a_repository_around_is_not_ours(inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "CODE", repository(tmp_path) / inside)
    assert versions.commit() == "unknown"
