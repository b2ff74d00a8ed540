"""Manifests: what they say, and every contradiction in one report."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.base.errors import InputError
from data_prep.corpora.corpus import find_corpus, find_mono, languages, read_corpus
from data_prep.corpora.entry import Corpus
from data_prep.corpora.manifest import NAME, files_of_kind, manifest_text, read_manifest
from data_prep.corpora.readers import READERS
from data_prep.pipeline.plan import Options, make_plan

GOOD = """
about: a test
corpora:
  - {name: small, kind: tsv, languages: [no, en], licence: CC0, path: sub/no.tsv, lines: 2}
  - {name: news, kind: lines, languages: [no, en], licence: CC0, path: [n.no, n.en]}
  - {name: dev, kind: tsv, languages: [ro, en], licence: CC0, path: d.tsv, split: valid}
  - {name: wmt, kind: hub, languages: [ro, en], licence: research use, hub: wmt/wmt16, config: ro-en, split: train}
  - {name: mono, kind: text, languages: [no], licence: CC0, path: wiki}
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def problems(tmp_path: Path, text: str) -> str:
    file = write(tmp_path / "m.yaml", text)
    with pytest.raises(InputError) as caught:
        read_manifest(file)
    message = str(caught.value)
    assert message.startswith(f"{file}") and "\n" not in message, "one line that names the file"
    return message


def test_every_kind_of_file_has_a_reader() -> None:
    assert set(files_of_kind()) == {*READERS, "hub", "text"}, "kinds of the manifest and readers differ"


def test_corpora_come_from_a_manifest(tmp_path: Path) -> None:
    file = write(tmp_path / "m.yaml", GOOD)
    write(tmp_path / "sub/no.tsv", "a\tA\nb\tB\n")
    write(tmp_path / "n.no", "c\n")
    write(tmp_path / "n.en", "C\n")
    write(tmp_path / "wiki", "en\nto\n")
    files = find_corpus(file, "no")
    assert read_corpus(files)["all"].source == ["a", "b", "c"], "all corpora of the language, in order"
    assert files.all_paths() == [tmp_path / "sub/no.tsv", tmp_path / "n.no", tmp_path / "n.en"]
    assert languages(file) == ["no", "ro"], "Norwegian is a language, not a falsehood of YAML"
    assert find_mono([file], "no") == [tmp_path / "wiki"], "monolingual text is listed too"
    file.rename(tmp_path / NAME)
    assert read_corpus(find_corpus(tmp_path, "no"))["all"].english == ["A", "B", "C"], "a folder's own manifest counts"


def test_what_is_not_here_must_be_fetched_first(tmp_path: Path) -> None:
    file = write(tmp_path / "m.yaml", GOOD)
    with pytest.raises(InputError, match="wmt must be fetched first: python -m data_prep fetch"):
        find_corpus(file, "ro")
    with pytest.raises(InputError, match=r"must list a corpus with languages \[lv, en\]; languages there: no, ro"):
        find_corpus(file, "lv")


def test_plain_text_of_a_manifest_reads_back(tmp_path: Path) -> None:
    corpora = read_manifest(write(tmp_path / "m.yaml", GOOD)).corpora
    again = read_manifest(write(tmp_path / "again.yaml", manifest_text(corpora))).corpora
    assert again == corpora, "writing and reading loses something"


ENTRY = {"name": "a", "kind": "tsv", "languages": ["ro", "en"], "licence": "CC0", "path": "a.tsv"}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"name": None}, "name must be given"),
        ({"name": "../a"}, "name must be letters, digits"),
        ({"kind": None}, "kind must be given"),
        ({"kind": "docx"}, "kind must be one of tsv"),
        ({"licence": None}, "licence must be given"),
        ({"languages": None}, "languages must be 2 codes"),
        ({"languages": ["ro"]}, "languages must be 2 codes, but is ro"),
        ({"languages": ["ro", "ro"]}, "languages must be 2 codes"),
        ({"languages": ["../ro", "en"]}, "languages must be codes like ro"),
        ({"kind": "text"}, "languages must be 1 code"),
        ({"split": "dev"}, "split must be one of all, train, valid, test, but is 'dev'"),
        ({"path": None}, "one of them must be given, but 0 are"),
        ({"url": "http://a/b"}, "one of them must be given, but 2 are"),
        ({"path": ["a", "b"]}, "path must be 1 for kind tsv, but are 2"),
        ({"kind": "lines"}, "path must be 2 for kind lines, but are 1"),
        ({"path": None, "url": "ftp://a/b"}, "url must be http://"),
        ({"path": None, "url": "http://a/"}, "url must be http://"),
        ({"path": None, "url": "http://a/b c"}, "url must be http://"),
        ({"path": "a.tgz"}, "members must name the files that are wanted"),
        ({"path": "a.tgz", "members": "../x"}, "members must be a path inside the archive"),
        ({"path": "a.tgz", "members": ["x", "y"]}, "members must be 1 for kind tsv, but are 2"),
        ({"sha256": "xyz"}, "sha256 must be 64 hexadecimal digits"),
        ({"sha256": ["0" * 64, "1" * 64]}, "sha256 must be one for each file, but are 2 for 1"),
        ({"lines": "many"}, "lines must be a whole number of at least 1, but is 'many'"),
        ({"lines": "0"}, "lines must be a whole number of at least 1"),
        ({"lines": ["1"]}, "lines must be a whole number of at least 1"),
        ({"hub": "wmt"}, "hub must be given for kind hub, and only there"),
        ({"kind": "hub"}, "hub must be given for kind hub"),
        ({"config": "ro-en"}, "config must be given for kind hub only"),
        ({"columns": ["a", "b"]}, "columns must be two names, for kind hub"),
        ({"colour": "red"}, "'colour' is no field of a corpus"),
        ({"name": {"a": "b"}}, "name must be text"),
        ({"path": {"a": "b"}}, "path must be a text or a list of texts"),
    ],
)
def test_every_contradiction_is_named(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    entry = {field: value for field, value in (ENTRY | changes).items() if value is not None}
    message = problems(tmp_path, f"corpora: [{entry}]".replace("'", '"'))
    assert "corpora 1" in message and expected in message, message


def test_all_contradictions_are_reported_at_once(tmp_path: Path) -> None:
    text = """
aboot: typing
corpora:
  - {name: a, kind: tsv, languages: [ro, en], licence: CC0, path: a.tsv, split: dev}
  - {name: a, kind: tvs, languages: [lv, en], licence: CC0, path: a.tsv}
  - {name: b, kind: tsv, languages: [lv, en], licence: CC0, path: b.tsv, split: test}
  - text
"""
    message = problems(tmp_path, text)
    for part in (
        "'aboot' is no field of a manifest",
        "corpora 1 ('a'): split must be one of",
        "corpora 2 ('a'): kind must be one of",
        "corpora 4: must be fields and values",
        "name 'a' must stand once",
        "split must be given for every corpus of lv-en or for none",
    ):
        assert part in message, f"{part!r} is not in {message!r}"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "must have a list corpora"),
        ("corpora: []", "corpora must have at least one entry"),
        ("corpora: [", "line 1: must be YAML"),
        ("corpora: []\ncorpora: []", "line 2: must be YAML: a key must be a word that stands once"),
        ("corpora: &a [*a]", "line 1: must be YAML: must have no aliases"),
        ("corpora: \0", "must be YAML"),
        ("[" * 5000, "nested too deeply"),
        ("? [a]\n: b", "line 1: must be YAML: a key must be a word"),
        ("!!python/object/apply:os.system [ls]", "must have a list corpora"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in problems(tmp_path, text)


def test_a_manifest_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes("about: \xe9\n".encode("latin-1"))
    with pytest.raises(InputError, match="must be UTF-8, but has byte 0xe9"):
        read_manifest(tmp_path / "m.yaml")
    with pytest.raises(InputError, match="file is missing"):
        read_manifest(tmp_path / "absent.yaml")


words = st.sampled_from([*files_of_kind(), "ro", "en", "http://a/b", "a.tsv", "..", "", "1", "all", "\x85", "0" * 64])
values = st.one_of(words, st.text(max_size=5), st.lists(words, max_size=3), st.none(), st.booleans(), st.integers())
entries = st.dictionaries(st.sampled_from([*Corpus.__dataclass_fields__, "odd"]), values)


@settings(deadline=None, max_examples=60)
@given(st.lists(entries, max_size=3))
def test_any_entries_are_a_manifest_or_an_error(tmp_path_factory: pytest.TempPathFactory, found: list[dict]) -> None:
    import yaml

    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(yaml.safe_dump({"corpora": found}), "utf-8")
    try:
        manifest = read_manifest(file)
    except InputError as error:
        assert str(file) in str(error), "the error names the file"
    else:
        again = read_manifest(write(file, manifest_text(manifest.corpora)))
        assert again == manifest, "what is accepted reads back"


def test_a_plan_takes_its_corpora_from_a_manifest(tmp_path: Path) -> None:
    entries = [
        {**ENTRY, "name": f"{lang}-{split}", "languages": [lang, "en"], "path": f"{lang}.{split}", "split": split}
        for lang in ("ro", "lv")
        for split in ("train", "valid", "test")
    ]
    mono = {"name": "wiki", "kind": "text", "languages": ["ro"], "licence": "CC0", "path": "wiki.ro"}
    file = write(tmp_path / "m.yaml", f"corpora: {[*entries, mono]}".replace("'", '"'))
    for entry in [*entries, mono]:
        write(tmp_path / str(entry["path"]), "a\tA\n")
    options = Options(out=tmp_path / "out", corpus=file, source_langs=("lv",), target_langs=("ro",), mono=(file,))
    plan = make_plan(options)
    assert plan.corpora["ro"].splits == ("train", "valid", "test"), "the manifest's splits"
    assert plan.corpora["lv"].parts["test"][0].paths == (tmp_path / "lv.test",), "and files"
    assert plan.mono == {"ro": [tmp_path / "wiki.ro"], "lv": [], "en": []}, "monolingual text of a manifest"
