"""Splits, and low-resource samples that others can draw again."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.base.errors import InputError
from data_prep.cleaning import split, subsample
from data_prep.cleaning.split import SplitOptions, check_splits, read_splits, split_batches
from data_prep.cleaning.subsample import BUDGETS, draw, draw_from, read_index
from data_prep.corpora.corpus import find_corpus
from data_prep.corpora.readers import Parallel, concatenate
from data_prep.pipeline.plan import Options, make_plan
from data_prep.pipeline.survey import survey


def numbered(size: int, ids: list[str] | None = None) -> Parallel:
    return Parallel([f"x{i}" for i in range(size)], [f"sentence {i}" for i in range(size)], ids or [])


def split_text(text: Parallel, role: str, options: SplitOptions, batch: int = 3) -> Mapping[str | None, Parallel]:
    """The splits of an unsplit corpus named f that is read in batches."""
    found: dict[str | None, list[Parallel]] = {}
    batches = (text.take(range(start, min(start + batch, len(text)))) for start in range(0, len(text), batch))
    for name, part in split_batches(batches, role, options, "ro-en.tsv"):
        found.setdefault(name, []).append(part)
    parts = {name: concatenate(some) for name, some in found.items()}
    check_splits({name: len(part) for name, part in parts.items()}, role, "ro-en.tsv")
    return parts


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_last_lines_by_role(batch: int) -> None:
    options = SplitOptions(hold_out_last=(2, 3))
    target = split_text(numbered(10), "target", options, batch)
    assert [len(target[name]) for name in ("train", "valid", "test")] == [5, 2, 3], "sizes of a target's splits"
    assert target["test"].source == ["x7", "x8", "x9"] and target["valid"].source == ["x5", "x6"], "in order"
    assert target["train"].source == [f"x{i}" for i in range(5)], "and what comes before"
    valid = split_text(numbered(10), "valid", options, batch)
    assert (len(valid["train"]), valid["valid"].source) == (8, ["x8", "x9"]), "a valid language has no test split"
    source = split_text(numbered(10), "source", options, batch)
    assert list(source) == ["train"] and len(source["train"]) == 10, "a source language holds no last lines out"


def test_ids_are_held_out_in_every_role() -> None:
    text = numbered(5, ["GEN.1.1", "HEB.1.1", "JHN.1.1", "JAS.2.1", "JHNX.1.1"])
    options = SplitOptions(valid_ids=("HEB", "JAS"), test_ids=("JHN",))
    held_out: dict[str, dict[str, list[str]]] = {
        "source": {}, "valid": {"valid": ["HEB.1.1", "JAS.2.1"]},
        "target": {"valid": ["HEB.1.1", "JAS.2.1"], "test": ["JHN.1.1"]},
    }  # fmt: skip
    for role, wanted in held_out.items():
        parts = split_text(text, role, options)
        assert parts["train"].ids == ["GEN.1.1", "JHNX.1.1"], f"held-out ids are in the training text of a {role}"
        assert {name: part.ids for name, part in parts.items() if name in split.HELD_OUT} == wanted, f"by book: {role}"
        assert sum(map(len, parts.values())) == 5, f"{role}: what it does not use must be said, not lost"


@pytest.mark.parametrize(
    "text, options, words",
    [
        (numbered(5), SplitOptions(hold_out_last=(2, 3)), "more than 5 lines, but has 5"),
        (numbered(5), SplitOptions(), "has none in valid"),
        (numbered(5), SplitOptions(test_ids=("JHN",)), "must have ids"),
        (numbered(3, ["A.1", "B.1", "C.1"]), SplitOptions(valid_ids=("A",), test_ids=("Z",)), "has none in test"),
    ],
)
def test_impossible_splits(text: Parallel, options: SplitOptions, words: str) -> None:
    with pytest.raises(InputError) as caught:
        split_text(text, "target", options)
    assert words in str(caught.value) and "ro-en.tsv" in str(caught.value), str(caught.value)


VERSES = [f"JHN {chapter}:{verse}" for chapter in range(1, 5) for verse in range(1, 4)]


def id_corpus(folder: Path, langs: Mapping[str, list[str]]) -> Path:
    folder.mkdir()
    for lang, ids in langs.items():
        rows = [f"{key}\t{lang} text {key}\n" for key in ids]
        (folder / f"{lang}.tsv").write_text("".join(rows))
    return folder


def test_the_command_refuses_a_group_without_lines(tmp_path: Path) -> None:
    corpus = id_corpus(tmp_path / "c", {"yo": VERSES, "en": VERSES})
    flags = ["--corpus", str(corpus), "--lang", "yo", "--out", str(tmp_path / "out")]
    assert split.main([*flags, "--valid-ids", "JHN.2", "--test-ids", "JHN.3"]) == 0
    assert (tmp_path / "out/test.yo").read_text().count("\n") == 3, "a chapter, however its verses are written"
    for mistyped in ("JHN.3,MRK", "JHN.3,JHN.33", "JHN.3,jhn"):
        bad = mistyped.partition(",")[2]
        with pytest.raises(InputError, match=f"{bad} must name ids of .*yo.tsv.* ids like 'JHN 1:1'"):
            split.main([*flags, "--valid-ids", "JHN.2", "--test-ids", mistyped])
    with pytest.raises(InputError, match="has none in valid .no id of it is in --valid-ids: .* 'JHN 1:1'"):
        split.main([*flags, "--valid-ids", "JHM.2", "--test-ids", "JHN.3"])
    with pytest.raises(InputError, match="has none in train .give --hold-out-last"):
        split.main([*flags, "--valid-ids", "JHN.2", "--test-ids", "JHN"])


def test_a_group_must_name_a_line_of_some_language(tmp_path: Path) -> None:
    """One Bible may lack a book that another has; a book that none has is mistyped."""
    corpus = id_corpus(tmp_path / "c", {"yo": VERSES, "ro": [*VERSES, "MRK 1:1"], "en": [*VERSES, "MRK 1:1"]})

    def surveyed(test_ids: tuple[str, ...]) -> None:
        options = SplitOptions(valid_ids=("JHN.2",), test_ids=test_ids)
        given = {"source_langs": ("ro",), "target_langs": ("yo",), "split": options, "english_tokens": (0,)}
        survey(make_plan(Options(tmp_path / "out", corpus, **given)))

    surveyed(("JHN.3", "MRK"))
    with pytest.raises(InputError, match="MRC must name ids of .*c, but do not; there are ids like 'JHN 1:1', 'MRK"):
        surveyed(("JHN.3", "MRC"))


def test_splits_of_the_corpus_are_taken_as_they_are(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        for side in ("ro", "en"):
            (tmp_path / f"{name}.ro-en.{side}").write_text(f"{name} {side}\n")
    files = find_corpus(tmp_path, "ro")
    found = [(name, part.source) for name, part in read_splits(files, "target", SplitOptions())]
    assert found == [("train", ["train ro"]), ("valid", ["dev ro"]), ("test", ["test ro"])], "all of a target"
    assert [name for name, _ in read_splits(files, "source", SplitOptions())] == ["train"], "one of a source"


@pytest.mark.parametrize("given", [{"hold_out_last": (0, 5)}, {"hold_out_last": (1, 1), "test_ids": ("A",)}])
def test_contradicting_options(given: dict) -> None:
    with pytest.raises(InputError, match="--hold-out-last"):
        SplitOptions(**given)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(0, 5), st.data())
def test_samples_are_nested_and_seeded(lengths: list[int], seed: int, data: st.DataObject) -> None:
    tokens = np.array(lengths, dtype=np.int32)
    large = data.draw(st.integers(1, sum(lengths)))
    small = data.draw(st.integers(0, large))
    drawn = draw(tokens, [large, small], seed)
    rows, fewer = drawn[large].tolist(), drawn[small].tolist()
    assert rows[: len(fewer)] == fewer, "a smaller budget must be the beginning of a larger one"
    assert len(set(rows)) == len(rows), "no line twice"
    assert tokens[rows].sum() >= large > tokens[rows[:-1]].sum(), "the last line completes the budget"
    assert (small == 0) == (fewer == []), "zero-shot, and nothing else, has no lines"
    order = list(range(len(lengths)))
    random.Random(seed).shuffle(order)
    assert rows == order[: len(rows)], "the order is that of Python's own shuffle, which stays as it is"


@pytest.fixture
def text(tmp_path: Path) -> list[Path]:
    """Fifty pairs of two tokens each."""
    files = [tmp_path / "train.ro", tmp_path / "train.en"]
    for path, side in zip(files, (numbered(50).source, numbered(50).english), strict=True):
        path.write_text("".join(line + "\n" for line in side))
    return files


def command(text: list[Path], out: Path, *flags: str) -> list[str]:
    return ["--source", str(text[0]), "--target", str(text[1]), "--out", str(out), *flags]


def test_samples_and_their_index(text: list[Path], tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    assert subsample.main(command(text, out, "--english-tokens", "0,40,20", "--sample-seeds", "1,2")) == 0
    index = json.loads((out / "samples.json").read_text())
    assert [sample["name"] for sample in index["samples"]] == [
        "train-40-s1", "train-40-s2", "train-20-s1", "train-20-s2",
    ], "no sample of 0 tokens"  # fmt: skip
    assert index["zero_shot"] is True and index["left_out"] == [], "that is zero-shot"
    assert len(list(out.iterdir())) == 9, "two sides of four samples, and the index"
    for sample in index["samples"]:
        lines = (out / f"{sample['name']}.ro").read_text().splitlines()
        assert lines == [f"x{row}" for row in sample["rows"]], "the rows are those of the training text"
        assert (out / f"{sample['name']}.en").read_text().splitlines() == [f"sentence {row}" for row in sample["rows"]]
        assert sample["english_tokens"] == 2 * len(lines) == sample["budget"], "two tokens a line"
    assert index["samples"][0]["rows"] != index["samples"][1]["rows"], "another seed, another sample"
    assert subsample.main(command(text, again, "--like", str(out / "samples.json"))) == 0
    made = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {path.name: path.read_bytes() for path in again.iterdir()} == made, "others draw the same from the index"
    text[1].write_text("other\n" * 50)
    with pytest.raises(InputError, match="train.en: must be the text that the samples of .* are rows of"):
        read_index(out / "samples.json", text)
    (out / "samples.json").write_text('{"text": 5}')
    with pytest.raises(InputError, match="must be a samples.json"):
        read_index(out / "samples.json", text)


def test_budgets_above_the_corpus(text: list[Path]) -> None:
    with pytest.raises(InputError, match=r"--english-tokens must be at most f \(100 English tokens\), but is 101"):
        draw_from(text, (0, 101), (1,), "f")
    drawn = draw_from(text, None, (1, 2), "f")
    assert drawn.left_out == [size for size in BUDGETS if size], "what was not asked for is left out"
    assert drawn.zero_shot and not drawn.samples, "zero-shot needs no text"
