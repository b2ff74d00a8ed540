"""Files of anybody: JSON that Python can't read or write again, and links out of a folder."""

import os
from pathlib import Path

import pytest

from data_prep.base import files
from data_prep.base.errors import InputError
from data_prep.base.files import check_given, read_json


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
