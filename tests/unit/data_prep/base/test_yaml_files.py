"""YAML of anybody: a value, or one line that names the file; in no case much memory or time."""

from pathlib import Path

import pytest

from data_prep.base import yaml_files
from data_prep.base.errors import InputError
from data_prep.base.yaml_files import TEXTS, VALUES, read_yaml

LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\n"
REFUSED = {
    "an alias": (LAUGHS, "line 2: must be YAML: must have no aliases"),
    "nesting": ("[" * 5000, "nested too deeply"),
    "a key twice": ("a: 1\na: 2\n", "line 2: must be YAML: a key must be a word that stands once"),
    "a key that is a list": ("? [a]\n: 1\n", "a key must be a word"),
    "half a character": ('a: "\\uD800"\n', "must be Unicode text"),
    "an open list": ("a: [1\n", "line 2: must be YAML"),
    "no UTF-8": (b"a: \xff", "must be UTF-8, but has byte 0xff"),
    "a tag that makes an object": ("a: !!python/object/apply:os.system [true]\n", "must be YAML"),
    "tags that do not fit": ("a: !!map [1]\n", "must be YAML"),
}


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "some.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("loader", [TEXTS, VALUES])
@pytest.mark.parametrize("text, words", REFUSED.values(), ids=REFUSED)
def test_refused_in_one_line(tmp_path: Path, loader: object, text: str | bytes, words: str) -> None:
    if loader is TEXTS and "!!" in str(text):
        return  # it reads no tags
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_yaml(path, loader)
    assert str(error.value).startswith(str(path)) and words in str(error.value)
    assert len(str(error.value)) < 500 and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["a: " + "1" * 5000, "a: 2020-99-99", "a: !!int x", "a: !!binary é", "a: !!float x"])
def test_values_that_python_cannot_have_are_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="some.yaml.*: must be YAML"):
        read_yaml(written(tmp_path, text), VALUES)


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_files, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="must have at most 10 bytes"):
        read_yaml(written(tmp_path, "a: 12345678\n"), VALUES)


def test_what_is_right_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a: no\nb: [1, 2.5]\n3: {c: x}\n")
    assert read_yaml(path, TEXTS) == {"a": "no", "b": ["1", "2.5"], "3": {"c": "x"}}
    assert read_yaml(path, VALUES) == {"a": False, "b": [1, 2.5], 3: {"c": "x"}}
