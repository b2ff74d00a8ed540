"""The layout of a data folder, spelled out here once more: what the classes say, and what is really made."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_prep.base.data_folder import LAYOUT, DataFolder, MonoFiles, PackFolder, TextFolder, UniversalFolder
from data_prep.base.errors import InputError
from meta_nmt.cli import add_language, preprocess

WORDS = [a + b for a in ("ka", "lo", "mi", "ru") for b in ("nda", "fter", "wing", "pose", "gri")]
ENGLISH = """
    data.json  work/held-out.en.npy  universal/keys.npy  universal/tokens.txt
    lang/en/spm.model  lang/en/dict.txt  lang/en/vectors.npy  lang/en/card.json
    lang/en/subwords.stage.json  lang/en/universal.stage.json
    work/mono/en.domain.txt  work/mono/en.extra.txt  work/mono/en.counts.json  work/mono/en.stage.json
    work/vectors/en.npy  work/vectors/en.stage.json  work/audit/en.json  work/audit/en.stage.json
"""
LANGUAGE = """
    text/XX-en/cleaning.json  text/XX-en/cleaning.txt
    lang/XX/spm.model  lang/XX/dict.txt  lang/XX/vectors.npy  lang/XX/card.json
    work/mono/XX.domain.txt  work/mono/XX.extra.txt  work/vectors/XX.npy
"""
PREPARED = """
    text/XX-en/text.stage.json  lang/XX/subwords.stage.json  lang/XX/align.stage.json  bin/XX-en.stage.json
    work/mono/XX.counts.json  work/mono/XX.stage.json  work/vectors/XX.stage.json
    work/audit/XX.json  work/audit/XX.stage.json
"""
SAMPLES = "text/XX-en/samples.json  lang/XX/vectors.train-60-s1.npy"
SPLIT = """
    text/XX-en/SPLIT.XX  text/XX-en/SPLIT.en
    bin/SPLIT.XX-en.XX.bin  bin/SPLIT.XX-en.XX.idx  bin/SPLIT.XX-en.en.bin  bin/SPLIT.XX-en.en.idx
"""
TARGET_SPLITS = ("train", "valid", "test", "train-60-s1")


def spelled() -> set[str]:
    """Every file of the folder ``data``: a source language, a target, and one that was added."""
    names = [*ENGLISH.split(), "lang/tt/words.tsv"]
    for lang, splits, more in (
        ("aa", ("train",), PREPARED),
        ("tt", TARGET_SPLITS, PREPARED + SAMPLES),
        ("zz", TARGET_SPLITS, SAMPLES),
    ):
        of_splits = [name.replace("SPLIT", split) for split in splits for name in SPLIT.split()]
        names += [name.replace("XX", lang) for name in [*LANGUAGE.split(), *more.split(), *of_splits]]
    assert len(set(names)) == len(names), "each file is spelled once"
    return set(names)


def named(folder: DataFolder) -> Iterator[Path]:
    """The paths of the same files as the classes have them."""
    yield from (folder.record, folder.held_out, *folder.universal.files, folder.pack("tt").words)
    for lang in ("en", "aa", "tt", "zz"):
        pack = folder.pack(lang)
        mono = folder.mono(lang)
        yield from (*pack.segmentation, pack.vectors, pack.card, *mono.texts, folder.raw_vectors(lang))
        if lang != "zz":
            yield from (pack.record("subwords"), pack.record("universal" if lang == "en" else "align"))
            yield from (mono.counts, mono.record)
            yield from (folder.raw_vectors_record(lang), folder.audit(lang), folder.audit_record(lang))
    for lang, splits in (("aa", ("train",)), ("tt", TARGET_SPLITS), ("zz", TARGET_SPLITS)):
        text = folder.text(lang)
        yield from (text.cleaning, text.cleaning_table)
        yield from (path for split in splits for path in (*text.sides(split), *folder.binary_files(lang, split)))
        if lang != "zz":
            yield from (text.record, folder.binary_record(lang))
        if lang != "aa":
            yield from (text.samples, folder.pack(lang).vectors_with("train-60-s1"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that meta-nmt-preprocess and meta-nmt-add-language made."""
    work = tmp_path_factory.mktemp("layout")
    corpus, out = work / "corpus", work / "data"
    corpus.mkdir()
    for lang in ("aa", "tt", "zz"):
        rng = random.Random(lang)
        lines = [" ".join(rng.choices(WORDS, k=rng.randint(3, 7))) for _ in range(150)]
        rows = [f"{lang[0]}{line.replace(' ', f' {lang[0]}')}\t{line}\n" for line in lines]
        (corpus / f"{lang}-en.tsv").write_text("".join(rows), "utf-8")
    (work / "dict").mkdir()
    (work / "dict/tt-en.txt").write_text("".join(f"t{word} {word}\n" for word in WORDS), "utf-8")
    samples = ["--english-tokens", "60", "--sample-seeds", "1"]
    flags = ["--source-langs", "aa", "--target-langs", "tt", "--hold-out-last", "10,10", "--vocab-size", "60"]
    flags += ["--dictionaries", str(work / "dict")]
    argv = ["--corpus", str(corpus), "--out", str(out), *flags, "--vector-dim", "8", "--workers", "1", *samples]
    assert preprocess.main(argv) == 0
    assert add_language.main([str(out), "--lang", "zz", "--corpus", str(corpus), *samples]) == 0
    return out


def test_samples_with_vectors_of_their_own(data: Path) -> None:
    assert DataFolder(data).pack("tt").aligned_samples == ["train-60-s1"]
    assert DataFolder(data).pack("aa").aligned_samples == []


def test_what_is_made_is_what_is_spelled_here(data: Path) -> None:
    made = {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    assert made == spelled(), f"made and not spelled, or the other way round: {made ^ spelled()}"


def test_the_classes_name_every_file_and_no_other() -> None:
    paths = [str(path.relative_to("DATA")) for path in named(DataFolder("DATA", "en"))]
    assert len(paths) == len(set(paths)), "each file is named once"
    assert set(paths) == spelled(), f"named and not spelled, or the other way round: {set(paths) ^ spelled()}"


def test_what_is_there_is_listed(data: Path) -> None:
    folder = DataFolder(data)
    assert folder.english == "en", "from the record"
    assert folder.pack_codes == ["aa", "en", "tt", "zz"], "packs, English and added ones too"
    assert [path.name for path in folder.text("tt").training("en")] == ["train-60-s1.en", "train.en"], "samples too"
    assert folder.binaries_of("zz") == sorted(
        path for split in TARGET_SPLITS for path in folder.binary_files("zz", split)
    )
    assert {str(path.relative_to(data)) for path in folder.stage_records} == {
        name for name in spelled() if name.endswith(".stage.json")
    }


def test_parts_of_a_folder() -> None:
    folder = DataFolder("DATA", "de")
    assert (str(folder), folder.path, folder.english) == ("DATA", Path("DATA"), "de")
    assert folder.pack("ro") == PackFolder(Path("DATA/lang/ro")) and folder.pack("ro").lang == "ro"
    assert str(folder.pack("ro")) == "DATA/lang/ro" and str(folder.universal) == "DATA/universal", "as messages show it"
    assert folder.universal == UniversalFolder(Path("DATA/universal"))
    assert folder.text("ro") == TextFolder(Path("DATA/text/ro-de"), "ro", "de"), "the pair names both languages"
    assert folder.text("ro").file("train", "de") == Path("DATA/text/ro-de/train.de")
    assert folder.mono("ro") == MonoFiles(Path("DATA/work/mono"), "ro")
    assert folder.binaries == Path("DATA/bin") and folder.binary("ro", "test") == Path("DATA/bin/test.ro-de")
    assert folder.binary_sides("ro", "test") == (Path("DATA/bin/test.ro-de.ro"), Path("DATA/bin/test.ro-de.de"))
    assert (str(LAYOUT.universal.keys), str(LAYOUT.record)) == ("universal/keys.npy", "data.json"), "for messages"


def test_nothing_is_read_where_english_is_given(tmp_path: Path) -> None:
    assert DataFolder(tmp_path, "en").text("ro").sides("train")[1] == tmp_path / "text/ro-en/train.en"
    assert DataFolder(tmp_path).pack("ro").card == tmp_path / "lang/ro/card.json", "nor where it is not needed"
    with pytest.raises(InputError, match="must be a folder made by meta-nmt-preprocess, but has no data.json"):
        DataFolder(tmp_path).text("ro")


@pytest.mark.parametrize("content", [[], {}, {"target_lang": None}])
def test_a_record_that_is_none_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "data.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="data.json: must be the record that meta-nmt-preprocess writes"):
        DataFolder(tmp_path).read_record()


@pytest.mark.parametrize(
    "content",
    [
        "[]", "{}", '{"target_lang": "en"}', '{"target_lang": "en", "languages": null}',
        '{"target_lang": "en", "languages": ["ro"]}', '{"target_lang": "en", "languages": {"ro": 3}}',
        '{"target_lang": "e\\u0000n", "languages": {}}', '{"target_lang": "../../en", "languages": {}}',
        '{"target_lang": "en", "languages": {"../ro": {}}}', '{"target_lang": "en", "languages": {"": {}}}',
        '{"target_lang": "en\\n", "languages": {}}',
    ],
)  # fmt: skip
def test_a_record_of_another_form_or_with_paths_for_codes_is_one_line(tmp_path, content):
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(InputError, match="data.json: ") as error:
        DataFolder(tmp_path).read_record()
    assert "\n" not in str(error.value)
