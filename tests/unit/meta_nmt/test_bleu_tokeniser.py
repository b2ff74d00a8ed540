"""sacreBLEU's tokeniser by the language translated into: in the report, its signature, and every place with BLEU."""

import ast
import importlib.util
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from small_results import small_result

from data_prep.base.errors import InputError
from meta_nmt.bleu_tokeniser import bleu_signature, bleu_tokeniser
from meta_nmt.cli.flag_checks import check_flags
from meta_nmt.report.gather import make_report
from meta_nmt.report.results import read_result

REPO = Path(__file__).resolve().parents[3]
CHINESE = ["我看猫和狗走来去。", "你吃红山水大小人。", "他家有书我走去看。", "猫狗水山人大小红。"]
ONE_WRONG = [line[:-2] + "X" + line[-1:] for line in CHINESE]


@pytest.mark.parametrize(
    ("lang", "name"),
    [
        ("zh", "zh"), ("zh_Hant", "zh"), ("zh-TW", "zh"), ("yue", "zh"), ("zh-Latn", "13a"), ("th", "char"),
        ("lo", "char"), ("km", "char"), ("my", "char"), ("shn", "char"), ("bo", "char"), ("jv-Java", "char"),
        ("jv", "13a"), ("en", "13a"), ("ro", "13a"), ("sr-Latn", "13a"), ("qbx", "13a"), ("ro_tatoeba", "13a"),
    ],
)  # fmt: skip
def test_the_script_of_the_language_decides(lang: str, name: str) -> None:
    assert bleu_tokeniser(lang) == name


@pytest.mark.parametrize(("lang", "with_packages", "without"), [("ja", "ja-mecab", "char"), ("ko", "ko-mecab", "13a")])
def test_a_tokeniser_that_needs_packages(
    lang: str, with_packages: str, without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for there, name in ((True, with_packages), (False, without)):
        monkeypatch.setattr("meta_nmt.bleu_tokeniser.find_spec", lambda package, there=there: there or None)
        assert bleu_tokeniser(lang) == name, f"packages there: {there}"


def test_another_may_be_asked_for() -> None:
    assert bleu_tokeniser("en", "intl") == "intl"
    assert "tok:char" in bleu_signature(bleu_tokeniser("zh", "char"))


def test_a_tokeniser_that_sacrebleu_has_not() -> None:
    with pytest.raises(InputError, match="`--bleu-tokenizer` must be one of 13a, .*zh, but is 'chars'"):
        bleu_tokeniser("en", "chars")


def test_a_flag_that_sacrebleu_does_not_know_is_refused_before_work() -> None:
    with pytest.raises(InputError, match="`--bleu-tokenizer` must be one of"):
        check_flags(Namespace(bleu_tokenizer="chars", target_lang="zh"))
    check_flags(Namespace(bleu_tokenizer="char", target_lang="zh"))


@pytest.mark.skipif(importlib.util.find_spec("MeCab") is not None, reason="MeCab is installed")
def test_a_tokeniser_whose_package_is_missing() -> None:
    with pytest.raises(InputError, match="ja-mecab: sacreBLEU cannot load it"):
        bleu_tokeniser("ja", "ja-mecab")


def chinese_result(folder: Path, **fields: Any) -> Path:
    small_result(folder, ONE_WRONG, **fields)
    (folder / "references.txt").write_text("\n".join(CHINESE) + "\n", encoding="utf-8")
    return folder


def test_one_wrong_character_is_not_a_wrong_line(tmp_path: Path) -> None:
    result = read_result(chinese_result(tmp_path / "zh", target_lang="zh") / "result.json")
    assert result.bleu > 50 and "tok:zh" in result.signature, (result.bleu, result.signature)


def test_what_a_result_says_goes_before_its_language_and_the_flag_before_both(tmp_path: Path) -> None:
    file = chinese_result(tmp_path / "zh", target_lang="zh", bleu_tokenizer="char") / "result.json"
    assert "tok:char" in read_result(file).signature
    assert "tok:13a" in read_result(file, "13a").signature


def test_results_of_one_target_have_one_tokeniser(tmp_path: Path) -> None:
    chinese_result(tmp_path / "new", target_lang="zh")
    chinese_result(tmp_path / "old", system="joint")  # of a version that had 13a alone
    with pytest.raises(InputError, match="old/result.json: must have the BLEU of .*tok:zh.*give `--bleu-tokenizer`"):
        make_report([tmp_path], "both")
    assert {r.signature for r in make_report([tmp_path], "both", tokeniser="zh").results} == {bleu_signature("zh")}


def without_tokeniser(tree: ast.AST) -> list[int]:
    """Lines that make sacreBLEU's BLEU and do not say its tokeniser."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    silent = [call for call in calls if not any(keyword.arg == "tokenize" for keyword in call.keywords)]
    return [c.lineno for c in silent if ast.unparse(c.func).rpartition(".")[2] in ("BLEU", "corpus_bleu")]


def test_no_place_has_bleu_without_a_tokeniser() -> None:
    files = [path for folder in ("meta_nmt", "benchmarks") for path in sorted((REPO / folder).rglob("*.py"))]
    lines = {str(path.relative_to(REPO)): without_tokeniser(ast.parse(path.read_text("utf-8"))) for path in files}
    assert len(lines) > 50 and not any(lines.values()), {name: found for name, found in lines.items() if found}
    assert without_tokeniser(ast.parse("a = BLEU()\nb = sacrebleu.corpus_bleu(h, r)\nc = BLEU(tokenize=t)\n")) == [1, 2]
