"""Splits, leakage, and low-resource samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.clean import match_key
from data_prep.corpus import Parallel
from data_prep.errors import InputError
from data_prep.split import SplitOptions, held_out_keys, remove_held_out, split_corpus
from data_prep.subsample import count_tokens, sample_rows, samples


def numbered(size: int, ids: list[str] | None = None) -> Parallel:
    return Parallel([f"x{i}" for i in range(size)], [f"sentence {i}" for i in range(size)], ids or [])


def test_last_lines_by_role() -> None:
    options = SplitOptions(hold_out_last=(2, 3))
    target = split_corpus({"all": numbered(10)}, "target", options, "f")
    assert [len(target[split]) for split in ("train", "valid", "test")] == [5, 2, 3], "sizes of a target's splits"
    assert target["test"].source == ["x7", "x8", "x9"] and target["valid"].source == ["x5", "x6"], (
        "last lines, in order"
    )
    valid = split_corpus({"all": numbered(10)}, "valid", options, "f")
    assert (len(valid["train"]), valid["valid"].source) == (8, ["x8", "x9"]), "a valid language has no test split"
    source = split_corpus({"all": numbered(10)}, "source", options, "f")
    assert list(source) == ["train"] and len(source["train"]) == 10, "a source language holds no last lines out"


def test_ids_are_held_out_in_every_role() -> None:
    text = numbered(5, ["GEN.1.1", "HEB.1.1", "JHN.1.1", "JAS.2.1", "JHNX.1.1"])
    options = SplitOptions(valid_ids=("HEB", "JAS"), test_ids=("JHN",))
    for role in ("source", "valid", "target"):
        parts = split_corpus({"all": text}, role, options, "f")
        assert parts["train"].ids == ["GEN.1.1", "JHNX.1.1"], f"held-out ids are in the training text of a {role}"
    assert parts["valid"].ids == ["HEB.1.1", "JAS.2.1"] and parts["test"].ids == ["JHN.1.1"], "by book"


@pytest.mark.parametrize(
    "parts, options, words",
    [
        ({"all": numbered(5)}, SplitOptions(hold_out_last=(2, 3)), "more than 5 lines, but has 5"),
        ({"all": numbered(5)}, SplitOptions(), "has no valid"),
        ({"train": numbered(5)}, SplitOptions(), "has no valid"),
        ({"all": numbered(5)}, SplitOptions(test_ids=("JHN",)), "must have ids"),
        ({"all": numbered(2, ["A.1", "B.1"])}, SplitOptions(valid_ids=("A",), test_ids=("Z",)), "test split"),
    ],
)
def test_impossible_splits(parts: dict, options: SplitOptions, words: str) -> None:
    with pytest.raises(InputError) as caught:
        split_corpus(parts, "target", options, "ro-en.tsv")
    assert words in str(caught.value) and "ro-en.tsv" in str(caught.value), str(caught.value)


@pytest.mark.parametrize("given", [{"hold_out_last": (0, 5)}, {"hold_out_last": (1, 1), "test_ids": ("A",)}])
def test_contradicting_options(given: dict) -> None:
    with pytest.raises(InputError, match="--hold-out-last"):
        SplitOptions(**given)


def test_leaks_are_removed_however_they_are_written() -> None:
    held = {"test": Parallel(["Salut!"], ["Hello, World!"], []), "train": Parallel(["x"], ["kept"], [])}
    source_keys, english_keys = held_out_keys(held)
    train = Parallel(["a", "SALUT", "b"], ["hello world", "Hi.", "Hello, words"], [])
    kept, dropped = remove_held_out(train, source_keys, english_keys)
    assert kept.english == ["Hello, words"], "same letters and digits are the same sentence"
    assert dropped == {"held-out-english": 1, "held-out-source": 1}, "each removal is counted by its reason"
    assert match_key("?!") != match_key("..."), "lines of signs alone are not all the same"


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(0, 5), st.data())
def test_samples_are_nested_and_seeded(lengths: list[int], seed: int, data: st.DataObject) -> None:
    english = [" ".join(["w"] * length) for length in lengths]
    large = data.draw(st.integers(1, sum(lengths)))
    small = data.draw(st.integers(1, large))
    rows, fewer = sample_rows(english, large, seed), sample_rows(english, small, seed)
    assert rows[: len(fewer)] == fewer, "a smaller budget must be the beginning of a larger one"
    assert rows == sample_rows(english, large, seed), "a seed always draws the same"
    assert len(set(rows)) == len(rows), "no line twice"
    tokens = count_tokens([english[row] for row in rows])
    assert tokens >= large > tokens - lengths[rows[-1]], "the last line completes the budget"


def test_seeds_differ() -> None:
    text = numbered(50)
    drawn = samples(text, (40, 20), (1, 2))
    assert list(drawn) == ["train-40-s1", "train-40-s2", "train-20-s1", "train-20-s2"], "names"
    assert drawn["train-40-s1"].source != drawn["train-40-s2"].source, "another seed, another sample"
    assert drawn["train-40-s1"].source[:10] == drawn["train-20-s1"].source, "nested"


def test_budget_above_the_corpus() -> None:
    with pytest.raises(InputError, match=r"--english-tokens must be at most the training text \(4 English tokens\)"):
        sample_rows(["a b", "c d"], 5, 1)
