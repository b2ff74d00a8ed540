"""meta-nmt-preprocess as a whole, on a small made-up corpus: what the folder holds, reruns, and refusals."""

import json
import random
import re
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from data_prep.base import stage_records
from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256
from data_prep.base.text_files import read_lines
from data_prep.cleaning.clean_form import match_key
from data_prep.packs.align import align_anew
from data_prep.packs.anchors import read_word_list
from data_prep.packs.subwords import load
from data_prep.pipeline import stages
from meta_nmt.cli.preprocess import main, parse_args

LANGS = {"aa": "source", "bb": "source", "vv": "valid", "tt": "target"}
WORDS = [a + b for a in ("ka", "lo", "mi", "ru", "se") for b in ("nda", "fter", "wing", "pose", "gri", "tum")]


def foreign(word: str, lang: str) -> str:
    """The word in a made-up language: its letters moved on by a step of the language's own."""
    step = ord(lang[0]) - ord("a") + 1
    return "".join(chr((ord(letter) - ord("a") + step) % 26 + ord("a")) for letter in word)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 pairs a language in TSV, 20 + 30 of them held out; some of the held-out English stands in other languages."""
    folder = tmp_path_factory.mktemp("corpus")
    for lang in LANGS:
        rng = random.Random(lang)
        lines = [rng.choices(WORDS, k=rng.randint(3, 8)) for _ in range(300)]
        rows = [f"{' '.join(foreign(word, lang) for word in line)}\t{' '.join(line)}" for line in lines]
        (folder / f"{lang}-en.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    leaks = [row.split("\t")[1].upper() + "!" for row in read_lines(folder / "tt-en.tsv")[-5:]]
    with open(folder / "aa-en.tsv", "a", encoding="utf-8") as file:
        file.writelines(f"leak {i}\t{leak}\n" for i, leak in enumerate(leaks))
        file.write("\tempty source\n")
    mono = folder / "mono"
    mono.mkdir()
    test_source = read_lines(folder / "tt-en.tsv")[-1].split("\t")[0]
    (mono / "tt.txt").write_text(f"{test_source}\nblvoeb mp\n", "utf-8")
    lists = folder / "dict"
    lists.mkdir()
    (lists / "tt-en.txt").write_text("".join(f"{foreign(word, 'tt')} {word}\n" for word in WORDS), "utf-8")
    return folder


def command(made_corpus: Path, out: Path, **changed: str | None) -> list[str]:
    flags = {
        "corpus": made_corpus, "mono": made_corpus / "mono", "dictionaries": made_corpus / "dict", "out": out,
        "source-langs": "aa,bb", "valid-langs": "vv", "target-langs": "tt", "hold-out-last": "20,30",
        "english-tokens": "0,400,100", "sample-seeds": "1,2", "vocab-size": "120", "vector-dim": "16", "workers": "1",
    }  # fmt: skip
    flags |= {name.replace("_", "-"): value for name, value in changed.items()}
    return [str(item) for name, value in flags.items() if value is not None for item in (f"--{name}", value)]


@pytest.fixture(scope="session")
def data(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "data"
    assert main(command(corpus, out)) == 0, "the command must succeed"
    return out


@pytest.fixture
def own_data(data: Path, tmp_path: Path) -> Path:
    """A copy of the made folder that a test may change."""
    return Path(shutil.copytree(data, tmp_path / "data"))


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, sha256(path)) for path in files}


def test_record_and_accounting(data: Path) -> None:
    record = json.loads((data / "data.json").read_text("utf-8"))
    assert record["format"] == 1 and record["target_lang"] == "en", "format and target language"
    assert {lang: entry["role"] for lang, entry in record["languages"].items()} == LANGS, "roles"
    for lang, entry in record["languages"].items():
        kept = sum(counts["lines"] for name, counts in entry["splits"].items() if not name.startswith("train-"))
        assert kept == entry["kept"], f"{lang}: what the splits hold was kept"
        assert kept + sum(entry["dropped"].values()) == entry["read"], f"accounting of {lang} is off: {entry}"
        table = (data / f"text/{lang}-en/cleaning.txt").read_text().splitlines()
        rows = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in table[1:]}
        wanted = {"read": entry["read"], "kept": kept, "dropped": entry["read"] - kept} | entry["dropped"]
        assert wanted.items() <= rows.items(), f"the table for people says something else: {table}"
        for name, counts in entry["splits"].items():
            english = read_lines(data / f"text/{lang}-en/{name}.en")
            assert len(english) == counts["lines"], f"{lang} {name}: wrong line count"
            assert sum(len(line.split()) for line in english) == counts["english_tokens"], f"{lang} {name}: tokens"
            assert len(read_lines(data / f"text/{lang}-en/{name}.{lang}")) == len(english), f"{lang} {name}: aligned"
    assert record["languages"]["aa"]["dropped"]["held-out-english"] == 5, "the five planted leaks"
    assert record["languages"]["aa"]["dropped"]["empty"] == 1, "the planted empty pair"
    assert record["languages"]["tt"]["zero_shot"] is True, "a budget of 0 is zero-shot"
    assert set(record["languages"]["tt"]["splits"]) == {
        "train", "valid", "test", "train-400-s1", "train-400-s2", "train-100-s1", "train-100-s2",
    }, "splits of the target"  # fmt: skip


def test_samples_name_their_rows(data: Path) -> None:
    index = json.loads((data / "text/tt-en/samples.json").read_text("utf-8"))
    train = read_lines(data / "text/tt-en/train.tt")
    assert index["text"]["train.tt"] == sha256(data / "text/tt-en/train.tt"), "of which text they are rows"
    names = ["train-400-s1", "train-400-s2", "train-100-s1", "train-100-s2"]
    assert [sample["name"] for sample in index["samples"]] == names, "none for zero-shot"
    for sample in index["samples"]:
        own = read_lines(data / f"text/tt-en/{sample['name']}.tt")
        assert own == [train[row] for row in sample["rows"]], f"{sample['name']}: other rows"


def test_default_budgets_are_those_that_the_text_can_fill(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    big = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    rng = random.Random(5)
    words = [[rng.choice(WORDS) for _ in range(12)] for _ in range(400)]
    lines = [f"{' '.join(foreign(word, 'tt') for word in line)}\t{' '.join(line)}" for line in words]
    (big / "tt-en.tsv").write_text("\n".join(lines) + "\n")
    assert main(command(big, tmp_path / "data", english_tokens=None, sample_seeds=None)) == 0
    said, out = (stream for stream in reversed(capsys.readouterr()))
    assert "tt: 5 samples; its text is too small for 16,000 English tokens; its" in out, out
    assert "samples of tt: 0, 4,000, 16,000, 40,000, 160,000 English tokens (those that its text can fill)" in said, (
        said
    )
    index = json.loads((tmp_path / "data/text/tt-en/samples.json").read_text())
    assert index["left_out"] == [16_000, 40_000, 160_000], "and those that it cannot are named"
    assert {sample["name"] for sample in index["samples"]} == {f"train-4000-s{seed}" for seed in range(1, 6)}
    binarised = {path.name for path in (tmp_path / "data/bin").glob("train-*.tt-en.en.bin")}
    assert binarised == {f"train-4000-s{seed}.tt-en.en.bin" for seed in range(1, 6)}, "five seeds of what there is"


def test_what_it_will_do_is_said_before(corpus: Path, own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(corpus, own_data)) == 0
    said = capsys.readouterr().err
    assert "2 source, 1 valid, 1 target languages into en; 1,206 pairs and 2 monolingual lines" in said, said
    assert re.search(r"about \d+ (seconds|minutes) with 1 process \(between \d+ \w+ and \d+ \w+\)", said), said


def test_no_held_out_english_in_any_training_text(data: Path) -> None:
    held = [f"text/{lang}-en/{split}.en" for lang, split in (("vv", "valid"), ("tt", "valid"), ("tt", "test"))]
    keys = {match_key(line) for name in held for line in read_lines(data / name)}
    assert len(keys) > 60, "the check must have something to check"
    seen = [*data.glob("text/*/train*.en"), data / "work/mono/en.domain.txt"]
    for path in seen:
        leaked = keys & {match_key(line) for line in read_lines(path)}
        assert not leaked, f"{path} holds dev or test English: {leaked}"
    mono = read_lines(data / "work/mono/tt.extra.txt")
    assert mono == ["blvoeb mp"], "a test sentence stayed in the target's monolingual text"


def test_a_language_may_have_budgets_of_its_own(corpus: Path, tmp_path: Path) -> None:
    args = parse_args(command(corpus, tmp_path, english_tokens="999999", english_tokens_of="tt=40"))
    assert args.english_tokens_of == {"tt": (40,)}
    assert main(command(corpus, tmp_path / "data", english_tokens="999999", english_tokens_of="tt=40")) == 0
    splits = read_json(tmp_path / "data" / "data.json")["languages"]["tt"]["splits"]
    assert [name for name in splits if name.startswith("train-")] == ["train-40-s1", "train-40-s2"], splits


@pytest.mark.parametrize("lang", [*LANGS, "en"])
def test_vector_rows_are_the_dictionary_indices(data: Path, lang: str) -> None:
    from fairseq.data import Dictionary

    pack = data / "lang" / lang
    dictionary, vectors = Dictionary.load(str(pack / "dict.txt")), np.load(pack / "vectors.npy")
    assert vectors.dtype == np.float32 and vectors.shape == (len(dictionary), 16), "a row per index"
    assert not vectors[:4].any(), "bos, pad, eos and unk have no vector"
    lengths = np.linalg.norm(vectors[4:], axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0)), "all other rows are of unit length or zero"
    assert not any("madeupword" in symbol for symbol in dictionary.symbols), "fairseq padded the dictionary"
    model = load(pack / "spm.model")
    counts = dict.fromkeys(dictionary.symbols, 0)
    for line in read_lines(data / f"work/mono/{lang}.domain.txt"):
        for piece in model.encode(line, out_type=str):
            counts[piece] += 1
    for index, symbol in enumerate(dictionary.symbols[4:], start=4):
        if counts[symbol]:
            assert vectors[index].any(), f"piece {symbol!r} occurs, but row {index} is zero"
        else:
            assert dictionary.count[index] >= counts[symbol], "counts can only be higher with extra text"
    common = max(counts, key=lambda symbol: counts[symbol])
    assert dictionary.index(common) < 8, f"the most frequent piece {common!r} must come first"


def test_a_pack_can_be_aligned_anew(data: Path, corpus: Path, tmp_path: Path) -> None:
    """It keeps its word lists, so that the same pairs give the same vectors again."""
    folder, sample, table = DataFolder(data), "train-400-s1", tmp_path / "vectors.npy"
    pack, before = folder.pack("tt"), snapshot(data)
    assert read_word_list(pack.words) == read_word_list(corpus / "dict/tt-en.txt")
    assert not folder.pack("aa").words.exists(), "it has no list"
    card = align_anew(pack, folder.raw_vectors("tt"), folder.pack("en"), folder.text("tt").sides(sample), table)
    assert np.array_equal(np.load(table), np.load(pack.vectors_with(sample)))
    assert card["alignment"] == read_json(pack.card)["samples"][sample]["alignment"]
    assert pack.vectors_with(str(table)) == table and snapshot(data) == before, "the pack is only read"


def test_rows_belong_to_their_pieces(data: Path) -> None:
    """The row of a target word's piece is nearest to the English row of what the word means: row order is right."""
    rows, index, models = {}, {}, {}
    for lang in ("tt", "en"):
        pack = data / "lang" / lang
        rows[lang], models[lang] = np.load(pack / "vectors.npy"), load(pack / "spm.model")
        pieces = [line.rpartition(" ")[0] for line in read_lines(pack / "dict.txt")]
        index[lang] = {piece: row for row, piece in enumerate(pieces, start=4)}
    hits = []
    for word in WORDS:
        cut = {
            "tt": models["tt"].encode(foreign(word, "tt"), out_type=str),
            "en": models["en"].encode(word, out_type=str),
        }
        if all(len(pieces) == 1 for pieces in cut.values()):
            query = rows["tt"][index["tt"][cut["tt"][0]]]
            hits.append(int(np.argmax(rows["en"] @ query)) == index["en"][cut["en"][0]])
    assert len(hits) >= 10, f"too few words of one piece to tell: {len(hits)}"
    assert np.mean(hits) > 0.9, f"dictionary words must find their translation, but {np.mean(hits):.0%} do"


def test_every_output_is_as_its_record_says(own_data: Path) -> None:
    assert stage_records.main([str(own_data)]) == 0, "a finished folder must agree with its records"
    (own_data / "universal/keys.npy").write_bytes(b"other")
    with pytest.raises(InputError, match="keys.npy"):
        stage_records.main([str(own_data)])


def test_universal_keys_are_the_frequent_english_vectors(data: Path) -> None:
    keys, tokens = np.load(data / "universal/keys.npy"), read_lines(data / "universal/tokens.txt")
    pieces = [line.rpartition(" ")[0] for line in read_lines(data / "lang/en/dict.txt")]
    vectors = np.load(data / "lang/en/vectors.npy")
    assert len(keys) == len(tokens) > 25, "a token per key"
    for key, token in zip(keys, tokens, strict=True):
        assert (key == vectors[4 + pieces.index(token)]).all(), f"the key of {token!r} is another piece's"


@pytest.mark.parametrize("lang, split", [("aa", "train"), ("vv", "valid"), ("tt", "test"), ("tt", "train-100-s2")])
def test_binarised_data_reads_back_as_the_text(data: Path, lang: str, split: str) -> None:
    from fairseq.data import Dictionary, data_utils

    for side in (lang, "en"):
        dictionary = Dictionary.load(str(data / f"lang/{side}/dict.txt"))
        model = load(data / f"lang/{side}/spm.model")
        prefix = str(data / f"bin/{split}.{lang}-en.{side}")
        dataset = data_utils.load_indexed_dataset(prefix, dictionary, dataset_impl="mmap")
        texts = read_lines(data / f"text/{lang}-en/{split}.{side}")
        assert len(dataset) == len(texts), f"{prefix}: a sentence per line"
        for line, ids in zip(texts, dataset, strict=True):
            assert ids[-1] == dictionary.eos(), f"{prefix}: eos ends a sentence"
            assert dictionary.unk() not in ids, f"{prefix}: no unknown pieces"
            assert model.decode([dictionary[i] for i in ids[:-1]]) == line, f"{prefix}: text must come back"


def test_text_with_unseen_characters_has_no_unknown_piece(data: Path) -> None:
    from fairseq.data import Dictionary

    model, dictionary = load(data / "lang/tt/spm.model"), Dictionary.load(str(data / "lang/tt/dict.txt"))
    pieces = model.encode("日本 Ω!", out_type=str)
    assert all(dictionary.index(piece) != dictionary.unk() for piece in pieces), "byte fallback covers everything"
    assert model.decode(pieces) == "日本 Ω!", "and gives the text back"


def test_unchanged_rerun_touches_nothing(corpus: Path, own_data: Path) -> None:
    before = snapshot(own_data)
    assert main(command(corpus, own_data)) == 0, "the rerun must succeed"
    assert snapshot(own_data) == before, "a rerun with nothing changed must leave every file alone"


def test_changes_redo_what_depends_on_them(corpus: Path, own_data: Path) -> None:
    before = snapshot(own_data)
    (own_data / "lang/bb/vectors.npy").write_bytes(b"damaged")
    assert main(command(corpus, own_data, sample_seeds="1,3")) == 0, "the rerun must succeed"
    after = snapshot(own_data)
    assert after["lang/bb/vectors.npy"][1] == before["lang/bb/vectors.npy"][1], "a damaged output must be made again"
    assert "bin/train-400-s3.tt-en.en.bin" in after, "the new sample must be there"
    assert not [name for name in after if "-s2." in name], "what a first run would not make must be gone"
    untouched = ("lang/aa/spm.model", "lang/aa/vectors.npy", "bin/train.aa-en.en.bin", "lang/en/vectors.npy")
    assert all(after[name] == before[name] for name in untouched), "what does not depend on the change is not redone"


def test_two_workers_make_the_same_folder(corpus: Path, data: Path, tmp_path: Path) -> None:
    assert main(command(corpus, tmp_path / "data", workers="2")) == 0, "the command must succeed"
    theirs, ours = snapshot(data), snapshot(tmp_path / "data")
    assert theirs.keys() == ours.keys(), "the same files"
    for name in theirs:
        assert theirs[name][1] == ours[name][1], f"{name} depends on the number of workers, or on the folder"


def refused(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    """The one line of a refused command."""
    try:
        status = main(argv)
    except SystemExit as stopped:  # argparse's own way
        status = stopped.code  # type: ignore[assignment]
    lines = capsys.readouterr().err.strip().split("\n")
    assert status == 2, f"exit status must be 2, but is {status}"
    assert len(lines) == 1 and lines[0].startswith("meta-nmt-preprocess: error: "), f"must be one line: {lines}"
    return lines[0]


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"source_langs": "aa,zz"}, "unknown language 'zz'"),
        ({"source_langs": "aa,b/b"}, "unknown language code 'b/b'"),
        ({"source_langs": "aa,tt"}, "'tt' stands twice"),
        ({"valid_langs": "aa"}, "'aa' stands twice"),
        ({"english_tokens": "999999"}, "--english-tokens must be at most the training text of tt"),
        ({"english_tokens": "-5"}, "--english-tokens must be at least 0"),
        ({"english_tokens_of": "tt"}, "--english-tokens-of must be like lv=400"),
        ({"english_tokens_of": "tt=-1"}, "--english-tokens must be at least 0"),
        ({"english_tokens_of": "zz=40"}, "--english-tokens-of must name target languages, but names zz"),
        ({"english_tokens": "many"}, "--english-tokens: must be whole numbers"),
        ({"hold_out_last": "200,200"}, "--hold-out-last"),
        ({"hold_out_last": None}, "but has none in valid"),
        ({"vector_dim": "0", "vocab_size": "3"}, "--vocab-size must be at least 30 (pieces), but is 3; --vector-dim"),
        ({"workers": "0"}, "--workers must be at least 1"),
        ({"corpus": "nowhere"}, "--corpus nowhere: must be a folder"),
        ({"mono": "nowhere"}, "--mono nowhere: must be a folder"),
        ({"dictionaries": "nowhere"}, "--dictionaries nowhere: must be a folder"),
    ],
)
def test_bad_flags_are_one_line_and_write_nothing(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], words: str
) -> None:
    line = refused(capsys, command(corpus, tmp_path / "data", **changed))
    assert words in line, line
    assert not (tmp_path / "data").exists(), "a refused command must write nothing"


@pytest.mark.parametrize("flag", ["mono", "dictionaries", "vec_files"])
def test_a_folder_with_nothing_for_any_language_is_refused(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    """A folder whose files have other names than those that are looked for would be ignored without a word."""
    (tmp_path / "given").mkdir()
    for name in ("yor-eng.txt", "yoruba.txt", "cc.yo.300.vec"):
        (tmp_path / "given" / name).write_text("a b\n")
    line = refused(capsys, command(corpus, tmp_path / "data", **{flag: str(tmp_path / "given")}))
    assert f"--{flag.replace('_', '-')} {tmp_path / 'given'}: must have files (XX" in line, line
    assert not (tmp_path / "data").exists(), "a refused command must write nothing"


def test_bad_file_is_one_line_and_writes_nothing(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    with open(bad / "bb-en.tsv", "ab") as file:
        file.write(b"\xff\tx\n")
    line = refused(capsys, command(bad, tmp_path / "data"))
    assert "bb-en.tsv, line 301: must be UTF-8" in line, line
    assert not (tmp_path / "data").exists(), "a refused command must write nothing"


def test_all_bad_files_are_named_at_once(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    (bad / "bb-en.tsv").write_bytes(b"")
    (bad / "vv-en.tsv").write_bytes(b"no tab\n")
    line = refused(capsys, command(bad, tmp_path / "data"))
    assert "bb-en.tsv" in line and "vv-en.tsv, line 1" in line, line


def test_output_folder_that_cannot_be_written(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert "--out" in refused(capsys, command(corpus, tmp_path / "file" / "data")), "the flag must be named"

    def read_only(path: Path, **_: object) -> None:  # the superuser may write anywhere, so permissions do not do it
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "touch", read_only)
    line = refused(capsys, command(corpus, tmp_path / "data"))
    assert "can be written to: Read-only file system" in line, line


def test_disk_full_leaves_no_half_file(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    status = main(command(corpus, tmp_path / "data"))
    error = capsys.readouterr().err
    assert status == 2 and "No space left on device" in error and "Traceback" not in error, error
    whole = DataFolder(tmp_path / "data", "en").held_out  # an array, which the error above does not reach
    left = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path != whole]
    assert left == [], f"half-written files were left: {left}"
    np.load(whole)


def test_languages_aligned_as_targets_read_no_more_than_a_target(data: Path, corpus: Path, tmp_path: Path) -> None:
    """A source gets its word list and LOW_RESOURCE_LINES of its pairs, as a target gets its list and its sample."""
    lists = Path(shutil.copytree(corpus / "dict", tmp_path / "dict"))
    (lists / "aa-en.txt").write_text("".join(f"{foreign(word, 'aa')} {word}\n" for word in WORDS[:20]), "utf-8")
    argv = [*command(corpus, tmp_path / "data", dictionaries=str(lists)), "--align-as-targets"]
    assert main(argv) == 0

    def anchors(folder: Path, lang: str) -> dict[str, int]:
        card = json.loads((folder / f"lang/{lang}/card.json").read_text("utf-8"))
        return dict(card["alignment"]["anchors_by_kind"])

    made = tmp_path / "data"
    assert anchors(data, "aa")["parallel"] > 0, "a source is aligned by its sentences, too"
    assert anchors(made, "aa")["parallel"] > 0 and anchors(made, "aa")["dictionary"] > 0
    assert anchors(made, "bb")["parallel"] > 0, "without a list it has sentences alone"
    record = json.loads((made / "lang/bb/align.stage.json").read_text("utf-8"))
    assert record["options"]["most_lines"] == stages.LOW_RESOURCE_LINES
    assert anchors(made, "tt") == anchors(data, "tt"), "targets are what they were"


def test_a_target_is_aligned_with_what_each_sample_has(data: Path) -> None:
    """Zero-shot vectors know the word list alone; those of a sample know the list and the pairs of that sample."""
    pack = data / "lang/tt"
    card = json.loads((pack / "card.json").read_text("utf-8"))
    samples = json.loads((data / "text/tt-en/samples.json").read_text("utf-8"))["samples"]
    assert [*card["samples"]] == [sample["name"] for sample in samples] and len(samples) > 1
    assert [entry["name"] for entry in card["anchor_files"]] == ["tt-en.txt"]
    tables = [np.load(pack / "vectors.npy")]
    for name, of_sample in card["samples"].items():
        files = [entry["name"] for entry in of_sample["anchor_files"]]
        assert files == ["tt-en.txt", f"{name}.tt", f"{name}.en"]
        assert of_sample["alignment"]["anchors_by_kind"]["parallel"] > 0
        tables.append(np.load(pack / f"vectors.{name}.npy"))
    assert all(table.shape == tables[0].shape for table in tables)
    assert all((a != b).any() for a, b in combinations(tables, 2)), "each sample has a table of its own"


def test_vectors_of_samples_that_are_no_longer_asked_for_go(own_data: Path, corpus: Path) -> None:
    """They are of an earlier text and dictionary, and meta-nmt-adapt would take them by the sample's name."""
    assert (own_data / "lang/tt/vectors.train-400-s2.npy").is_file()
    assert main(command(corpus, own_data, sample_seeds="1")) == 0
    left = sorted(path.name for path in (own_data / "lang/tt").glob("vectors.*"))
    assert left == ["vectors.npy", "vectors.train-100-s1.npy", "vectors.train-400-s1.npy"]


def test_poor_alignment_warns(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a dictionary and with 30 tokens to mine from, the target cannot be aligned."""
    argv = command(corpus, tmp_path / "data", dictionaries=None, english_tokens="30", sample_seeds="1")
    assert main(argv) == 0, "a poor alignment is no error"
    card = json.loads((tmp_path / "data/lang/tt/card.json").read_text("utf-8"))
    of_sample = card["samples"]["train-30-s1"]
    files = [entry["name"] for entry in of_sample["anchor_files"]]
    assert files == ["train-30-s1.tt", "train-30-s1.en"], "a sample's vectors are aligned with that sample only"
    assert of_sample["alignment"]["poor"], f"this must be poor: {of_sample['alignment']}"
    assert "warning: tt: the alignment to en is poor" in capsys.readouterr().err, "a poor alignment must be said"
