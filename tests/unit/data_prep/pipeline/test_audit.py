"""The leakage audit finds what cleaning is there to remove."""

import json
import shutil
from pathlib import Path

import pytest

from data_prep.base.command_line import run_command
from data_prep.base.errors import InputError
from data_prep.base.files import sha256
from data_prep.pipeline import audit

ROLES = {"aa": "source", "vv": "valid", "tt": "target"}
TEXT = {
    "aa": {"train": ("x a", "one a")},
    "vv": {"train": ("x v", "one v"), "valid": ("y v", "held v")},
    "tt": {
        "train": ("x t", "one t"), "train-2-s1": ("x t", "one t"),
        "valid": ("y t", "held t"), "test": ("z t", "Test t!"),
    },
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with the files that the audit reads."""
    for name in ("bin", "work/mono"):
        (tmp_path / name).mkdir(parents=True)
    for lang, splits in TEXT.items():
        folder = tmp_path / "text" / f"{lang}-en"
        folder.mkdir(parents=True)
        for split, sides in splits.items():
            for side, line in zip((lang, "en"), sides, strict=True):
                (folder / f"{split}.{side}").write_text(f"first\n{line}\n" if "train" in split else f"{line}\n")
        (tmp_path / f"work/mono/{lang}.domain.txt").write_text("mono\n")
        (tmp_path / f"work/mono/{lang}.extra.txt").write_text("")
    (tmp_path / "work/mono/en.domain.txt").write_text("one a\n")
    languages = {lang: {"role": role} for lang, role in ROLES.items()}
    (tmp_path / "data.json").write_text(json.dumps({"target_lang": "en", "languages": languages}))
    binarised(tmp_path)
    return tmp_path


def binarised(data: Path) -> None:
    for lang in ROLES:
        inputs = [[path.name, sha256(path)] for path in (data / f"text/{lang}-en").iterdir()]
        (data / f"bin/{lang}-en.stage.json").write_text(json.dumps({"inputs": inputs}))


def test_a_clean_folder(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([str(data)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "aa\t5 training lines, 0 of 3 held-out lines", "vv\t5 training lines, 0 of 4 held-out lines",
        "tt\t9 training lines, 0 of 5 held-out lines", "en\t1 training lines, 0 of 3 held-out lines",
    ], said  # fmt: skip


@pytest.mark.parametrize(
    "path, line",
    [
        ("text/aa-en/train.en", "HELD V."), ("text/vv-en/train.en", "test t"), ("text/tt-en/train-2-s1.en", "held, t"),
        ("text/tt-en/train.tt", "Z t"), ("work/mono/en.domain.txt", "Test T"), ("work/mono/tt.extra.txt", "y t"),
    ],
)  # fmt: skip
def test_every_leak_is_found(data: Path, path: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open(data / path, "a") as file:
        file.write(f"{line}\nlast\n")
    binarised(data)
    assert run_command(audit.main, [str(data)], prog="audit") == 2, "a leak is an error"
    said = capsys.readouterr()
    number = len((data / path).read_text().splitlines()) - 1
    assert f"{path}, line {number}: training text must not say what a dev or test line says" in said.err, said.err
    assert said.err.count("\n") == 1 and said.out.count(" 1 of ") == 1, "one line, and a table of all"


def test_source_sides_of_other_languages_may_agree(data: Path) -> None:
    (data / "text/aa-en/train.aa").write_text("first\nz t\n")
    binarised(data)
    assert audit.main([str(data)]) == 0, "a word of another language is no leak"


def test_text_that_was_not_binarised_is_refused(data: Path) -> None:
    (data / "text/aa-en/train.en").write_text("first\nnew\n")
    with pytest.raises(InputError, match="train.en: must be the text that was binarised"):
        audit.main([str(data)])
    binarised(data)
    for path in (data / "text/tt-en").glob("train-2-s1.*"):
        path.unlink()
    with pytest.raises(InputError, match="names train-2-s1.* which is missing"):
        audit.main([str(data)])


def test_no_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(audit.main, [str(tmp_path)], prog="audit") == 2
    assert "data.json" in capsys.readouterr().err, "what is missing must be named"


def test_a_folder_without_work_files_can_be_audited(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(data / "work")
    assert audit.main([str(data)]) == 0
    assert "en\t0 training lines" in capsys.readouterr().out, "what was not there to read must show"
