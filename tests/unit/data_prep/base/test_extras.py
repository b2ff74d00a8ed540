"""Packages of extras: what is not there is named, with its extra, before any work."""

import ast
import re
from pathlib import Path

import pytest

from data_prep.base import extras
from data_prep.base.errors import InputError
from data_prep.corpora.fetch import fetch
from data_prep.corpora.manifest import read_manifest
from data_prep.packs.vectors import check_vector_method
from meta_nmt.cli import adapt_raw_flags, export, fine_tune, serve

REPO = Path(__file__).parents[4]
HUB = "corpora: [{name: w, kind: hub, languages: [ro, en], split: test, hub: wmt/wmt16, licence: free}]\n"


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)


def extras_of_setup() -> dict[str, list[str]]:
    """EXTRAS of setup.py, where each is a list of packages."""
    for node in ast.parse((REPO / "setup.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXTRAS":
            return dict(ast.literal_eval(node.value))
    raise AssertionError("setup.py must have EXTRAS")


def test_each_package_that_is_asked_for_is_of_the_extra_that_is_named() -> None:
    packages = extras_of_setup()
    files = [*(REPO / "data_prep").rglob("*.py"), *(REPO / "meta_nmt").rglob("*.py")]
    asked = [pair for file in files for pair in re.findall(r'need\("(\w+)", "([\w-]+)"', file.read_text("utf-8"))]
    assert len(asked) > 4, "the check must find the calls"
    for package, extra in asked:
        assert any(re.match(rf"{package}\b", requirement) for requirement in packages[extra]), (package, extra)


def test_a_package_that_is_there_is_no_error() -> None:
    extras.need("numpy", "export", "this")


@pytest.mark.usefixtures("nothing_installed")
def test_vectors_of_gensim() -> None:
    check_vector_method("svd")
    with pytest.raises(InputError, match=re.escape("--vector-method fasttext needs gensim, which is not installed: "
                                                   "pip install 'meta-nmt[vectors]'")):  # fmt: skip
        check_vector_method("fasttext")


@pytest.mark.usefixtures("nothing_installed")
def test_a_corpus_of_the_hub(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(HUB)
    with pytest.raises(InputError, match=r"w is a corpus of the hub; reading it needs datasets.*meta-nmt\[hub\]"):
        fetch(read_manifest(tmp_path / "m.yaml"), tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is made"


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("command", "flags", "extra"),
    [
        (serve, "absent", "serve"),
        (export, "data --path a.pt --source-lang dd --out out", "export"),
        (adapt_raw_flags, "--pairs {pairs} --checkpoint a.pt --out out", "export"),
        (fine_tune, "data --checkpoint a.pt --source-lang dd --save-dir out --self-train 2000", "export"),
    ],
)
def test_commands_say_what_to_install(command, flags, extra, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dd-en.tsv").write_text("a\tb\n")
    argv = flags.format(pairs=tmp_path / "dd-en.tsv").split()
    with pytest.raises(InputError, match=re.escape(f"which is not installed: pip install 'meta-nmt[{extra}]'")):
        run(command, argv)
    assert [path.name for path in tmp_path.iterdir()] == ["dd-en.tsv"], "nothing is made"


def run(command, argv) -> None:
    if command is export:
        export.make(export.parse_args(argv), "typed")
    elif command is serve:
        serve.body(argv)
    else:
        command.parse_args(argv)
