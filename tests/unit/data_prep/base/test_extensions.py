"""A user's own Python: what is loaded, what is refused, and when it counts as changed."""

import sys
from pathlib import Path

import pytest

from data_prep.base import extensions
from data_prep.base.errors import InputError


@pytest.fixture(autouse=True)
def modules_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name in ("own_file", "own_package", "own_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize("name", ["own_file.py", "own_package/__init__.py"])
def test_a_file_or_a_package_is_imported_once(name: str, tmp_path: Path) -> None:
    source = tmp_path / name
    source.parent.mkdir(exist_ok=True)
    source.write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'runs')!r}).open('a').write('x')\n")
    place = source if name.endswith("file.py") else source.parent
    extensions.load(place)
    extensions.load(str(place))
    assert (tmp_path / "runs").read_text() == "x" and place.stem in sys.modules


@pytest.mark.parametrize("name", ["absent.py", "absent", "notes.txt", "empty"])
def test_what_is_neither_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="--user-dir.*must name a Python file or a folder with an __init__.py"):
        extensions.load(tmp_path / name)


def test_what_lies_beside_a_file_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "own_file.py").write_text("WORD = 'beside'\n")
    (tmp_path / "own_other.py").write_text("from own_file import WORD\n")
    extensions.load(tmp_path / "own_other.py")
    assert sys.modules.pop("own_other").WORD == "beside"


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").touch()
    with pytest.raises(InputError, match="another name than the Python module json"):
        extensions.load(tmp_path / "json.py")


def test_an_error_in_it_is_raised_each_time(tmp_path: Path) -> None:
    (tmp_path / "own_broken.py").write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            extensions.load(tmp_path / "own_broken.py")


def test_the_hash_follows_the_code(tmp_path: Path) -> None:
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("a = 1\n")
    first = extensions.code_hash(package)
    assert extensions.code_hash(package) == first
    (package / "more.py").write_text("b = 1\n")
    assert extensions.code_hash(package) != first
    assert extensions.code_hash(package / "more.py") != first
