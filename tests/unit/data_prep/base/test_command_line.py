"""What all commands share: hints in errors, versions, defaults in help, and folders that nothing was written into."""

from pathlib import Path

import pytest

from data_prep import __main__ as data_prep_main
from data_prep.base.command_line import OneLineParser, comma_list, run_command, with_hint, writable_directory
from data_prep.base.errors import InputError, fault_of


def parser() -> OneLineParser:
    made = OneLineParser(prog="prog")
    made.add_argument("--backend", choices=("auto", "torch", "ctranslate2"), help="what runs")
    made.add_argument("--langs", type=comma_list, default=(), help="languages")
    made.add_argument("--seeds", type=comma_list, default=(1, 2), help="seeds")
    made.add_argument("--mono", action="append", default=[], help="text")
    made.add_argument("--dry-run", action="store_true", help="nothing")
    made.add_argument("--workers", type=int, default=0, help="processes")
    return made


def refusal(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(argv)
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "argv, hint",
    [
        (["--bakend", "torch"], "; did you mean --backend?"),
        (["--bakend=torch", "x"], "; did you mean --backend?"),
        (["--backend", "troch"], "; did you mean torch?"),
        (["--dry_run"], "; did you mean --dry-run?"),
        (["--zzz"], "--zzz"),
        (["--backend", "zzz"], "'ctranslate2')"),
    ],
)
def test_what_was_meant(argv: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(argv, capsys)
    assert error.endswith(f"{hint}\n") and error.count("\n") == 1


def test_choices_as_newer_pythons_write_them() -> None:
    assert with_hint("argument -x: invalid choice: 'troch' (choose from torch, auto)", []).endswith("mean torch?")


def test_a_mistyped_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        data_prep_main.main(["corpsu"])
    assert capsys.readouterr().err.endswith("is corpsu; did you mean corpus?\n")


def test_defaults_that_say_nothing_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = parser().format_help()
    for nothing in ("()", "[]", "None", "False"):
        assert f"(default: {nothing})" not in text
    assert "(default: 0)" in text and "(default: 1,2)" in text


@pytest.mark.parametrize("argv", [["--version"], ["corpus", "--version"]])
def test_versions(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        data_prep_main.main(argv)
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("python -m data_prep")


def test_a_version_is_no_value() -> None:
    assert "version" not in vars(parser().parse_args([]))


def test_a_refusal_leaves_no_empty_folder(tmp_path: Path) -> None:
    def refused(argv: object) -> int:
        writable_directory(tmp_path / "a" / "b", "--out")
        writable_directory(tmp_path / "a" / "c", "--out")
        raise InputError("no")

    assert run_command(refused, [], prog="prog") == 2
    assert not list(tmp_path.iterdir())


def test_what_is_used_or_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    def refused(argv: object) -> int:
        writable_directory(tmp_path / "there", "--out")
        (writable_directory(tmp_path / "a" / "b", "--out") / "file").touch()
        raise InputError("no")

    assert run_command(refused, [], prog="prog") == 2
    assert {path.name for path in tmp_path.rglob("*")} == {"there", "a", "b", "file"}


def test_a_folder_that_is_absent_does_not_exist(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "absent", "is none") == "does not exist"
    assert fault_of(tmp_path, "is none") == "is none"
