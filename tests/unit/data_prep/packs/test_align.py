"""Alignment: Procrustes finds a known rotation; mining finds known pairs; tables keep their rows."""

from collections import Counter

import numpy as np
import pytest

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.evenly import evenly
from data_prep.packs.align import (
    add_lexicon,
    csls,
    fit_map,
    nearest,
    neighbours_of_samples,
    poor_warning,
    precision,
    procrustes,
    queries,
    sentence_queries,
)
from data_prep.packs.anchors import Anchor, Pack, hold_out, read_word_list
from data_prep.packs.lexicon import mine_pairs
from data_prep.packs.ulr_tables import normalised, unit
from data_prep.packs.vectors import positive_pmi, train_fasttext, train_svd, train_word2vec

V, Q = 200, 16


def rotation(rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((Q, Q)))[0]


def pack(vectors: np.ndarray) -> Pack:
    return Pack(None, {}, np.full(len(vectors), 100), vectors)  # type: ignore[arg-type]  # no text is cut here


def same_row_anchors(rows: range) -> list[Anchor]:
    return [Anchor((row,), (row,), f"w{row}", "dictionary") for row in rows]


def test_procrustes_recovers_a_rotation() -> None:
    rng = np.random.default_rng(0)
    x, r = rng.standard_normal((V, Q)), rotation(rng)
    w = procrustes(x, x @ r.T)
    assert np.allclose(w, r, atol=1e-10), "the rotation itself must come back"
    noisy = procrustes(x, x @ r.T + 0.1 * rng.standard_normal((V, Q)))
    assert np.allclose(noisy @ noisy.T, np.eye(Q), atol=1e-10), "the map must be orthogonal"
    assert np.abs(noisy - r).max() < 0.1, "noise must not throw it off"


def test_procrustes_weights_decide_between_contradicting_anchors() -> None:
    rng = np.random.default_rng(1)
    x, r, other = rng.standard_normal((V, Q)), rotation(rng), rotation(rng)
    both = np.concatenate([x @ r.T, x @ other.T])
    weights = np.concatenate([np.ones(V), np.full(V, 1e-9)])
    assert np.allclose(procrustes(np.concatenate([x, x]), both, weights), r, atol=1e-6), "weightless anchors count"


def test_few_anchors_are_refined_to_the_rotation() -> None:
    rng = np.random.default_rng(2)
    english = unit(rng.standard_normal((V, Q)))
    r = rotation(rng)
    source = unit(english @ r + 0.05 * rng.standard_normal((V, Q)))  # row i of both means the same
    anchors = same_row_anchors(range(20))
    held = same_row_anchors(range(100, V))
    quality = precision(source @ fit_map(anchors, pack(source), pack(english)).T, held, pack(english))
    unaligned = precision(source, held, pack(english))
    assert quality["precision_at_1"] > 0.95 and quality["words"] == 100, f"poorly aligned: {quality}"
    assert unaligned["precision_at_1"] < 0.1, f"the measure praises unaligned vectors: {unaligned}"


def test_lexicon_moves_words_to_their_translations() -> None:
    rng = np.random.default_rng(3)
    english, aligned = unit(rng.standard_normal((V, Q))), unit(rng.standard_normal((V, Q)))
    anchors = [
        Anchor((0,), (5,), "one", "dictionary"),
        Anchor((1, 2), (6,), "two pieces", "dictionary"),
        Anchor((0, 3), (7,), "piece 0 speaks for itself", "dictionary"),
        Anchor((4,), (8,), "1984", "identical"),
    ]
    rows = add_lexicon(aligned, anchors, pack(english))
    near = [(0, 5), (1, 6), (2, 6), (3, 7), (4, 8)]
    for piece, translation in near:
        expected = unit(aligned[piece] + english[translation])
        assert np.allclose(rows[piece], expected), f"piece {piece} must move to {translation}"
    assert np.allclose(rows[9:], aligned[9:]), "pieces without a translation must stay"
    friend = Anchor((10,), (11,), "word", "identical")
    english[11] = -aligned[10]
    assert np.allclose(add_lexicon(aligned, [friend], pack(english))[10], aligned[10]), "a false friend was followed"


def test_csls_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    x, y = unit(rng.standard_normal((7, 4))), unit(rng.standard_normal((9, 4)))
    k = 3
    for i in range(7):
        for j in range(9):
            r_x = np.mean(sorted(x[i] @ row for row in y)[-k:])
            r_y = np.mean(sorted(row @ y[j] for row in x)[-k:])
            assert csls(x, y, k)[i, j] == pytest.approx(2 * x[i] @ y[j] - r_x - r_y, abs=1e-5), f"cell {i}, {j}"


def test_nearest_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(8)
    rows, english = unit(rng.standard_normal((30, 4))), unit(rng.standard_normal((40, 4)))
    rows[3], english[5] = 0, 0  # no vectors: neither neighbours nor candidates
    r_y = np.array([np.mean(sorted(np.delete(rows, 3, axis=0) @ y)[-3:]) for y in english])
    for piece, found in zip((0, 7), nearest(rows, (0, 7), english, best=5, neighbours=3), strict=True):
        scores = {y: 2 * rows[piece] @ english[y] - r_y[y] for y in range(40) if y != 5}
        assert found.tolist() == sorted(scores, key=lambda y: -scores[y])[:5], f"piece {piece}"


def made_up_text(rng: np.random.Generator, lines: int) -> tuple[list[list[int]], list[list[int]]]:
    """Sentences of 8 of 150 words by topic; English word i is word i of the other language, elsewhere in the line."""
    topics = rng.dirichlet(np.full(10, 0.05), size=150).T
    topics /= topics.sum(axis=1, keepdims=True)
    english = [rng.choice(150, size=8, p=topics[rng.integers(10)]).tolist() for _ in range(lines)]
    return [rng.permutation(line).tolist() for line in english], english


def test_sentences_in_common_align_without_anchors() -> None:
    rng = np.random.default_rng(9)
    text = made_up_text(rng, 800)
    english = pack(unit(rng.standard_normal((150, Q))))
    source = pack(unit(rng.standard_normal((150, Q))))
    rows = sentence_queries(text, source, english)
    seen = sorted({word for line in text[0] for word in line})
    held = [Anchor((word,), (word,), str(word), "parallel") for word in seen]
    assert precision(rows, held, english)["precision_at_1"] > 0.6, "words of the same sentences mean the same"
    assert not np.delete(rows, seen, axis=0).any(), "a piece that stands in no sentence has no sentence query"
    shuffled = [text[0][row] for row in rng.permutation(800)], text[1]
    assert precision(sentence_queries(shuffled, source, english), held, english)["precision_at_1"] < 0.2, "by chance"
    alone, both = queries([], rows, source, english)
    assert precision(alone, held, english)["precision_at_1"] < 0.1, "the vectors alone are unaligned"
    assert precision(both, held, english)["precision_at_1"] > 0.4, "sentences must show in the queries"


def test_a_query_by_sentences_grows_with_the_sentences() -> None:
    rng = np.random.default_rng(10)
    english = pack(unit(rng.standard_normal((150, Q))))
    text = made_up_text(rng, 100)
    counts = np.bincount([word for line in text[0] for word in set(line)], minlength=150)
    lengths = np.linalg.norm(sentence_queries(text, english, english), axis=1)
    assert np.allclose(lengths, counts / (counts + 5), atol=1e-5), "n / (n + 5) long"


def test_poor_alignment_says_what_to_do() -> None:
    quality = {"precision_at_1": 0.02, "words": 50, "anchors": 60, "poor": True}
    pack = DataFolder("data").pack("xx")
    warning = poor_warning(pack, "en", quality)
    for words in ("0.02 on 50 held-out words", "--dictionaries", "--mono", str(pack.card)):
        assert warning and words in warning, f"{words!r} is not in {warning!r}"
    assert poor_warning(pack, "en", quality | {"poor": False}) is None, "a good one is no warning"
    unmeasured = poor_warning(pack, "en", quality | {"precision_at_1": None, "words": 0})
    assert unmeasured and "could not be measured: 0 held-out words" in unmeasured and "None" not in unmeasured


def test_a_card_shows_words_with_combining_marks() -> None:
    words = ["▁हिन्दी", "▁किताब", "▁पानी", "▁house", "▁a1", "stem"]
    vectors = unit(np.random.default_rng(0).standard_normal((len(words), Q)))
    both = Pack(None, {word: row for row, word in enumerate(words)}, np.full(len(words), 9), vectors)  # type: ignore[arg-type]
    assert set(neighbours_of_samples(vectors, both, both)) == set(words[:4])


def test_held_out_words_are_not_fitted_on() -> None:
    anchors = [*same_row_anchors(range(30)), Anchor((0,), (3,), "again", "identical")]
    fit, held = hold_out(anchors)
    assert len(held) == 3, "every 10th of 30 words"
    assert not {a.source for a in fit} & {a.source for a in held}, "a held-out word is in the fit, by another anchor"


def test_mining_finds_the_lexicon_of_shuffled_sentences() -> None:
    rng = np.random.default_rng(5)
    english = [rng.choice(40, size=6, replace=False).tolist() for _ in range(400)]
    # word i means i + 100; every source sentence also holds the particle 99, which means nothing
    source = [[99, *(word + 100 for word in rng.permutation(line))] for line in english]
    pairs = mine_pairs(source, english)
    assert {(x, y) for x, y, _ in pairs} == {(word + 100, word) for word in range(40)}, "wrong pairs mined"
    assert all(0 < score <= 1 for *_, score in pairs), "scores are probabilities"
    assert mine_pairs([[]], [[]]) == [], "nothing comes of nothing"
    assert mine_pairs([[], [1], []], [[2], [], []]) == [], "lines of one side alone link nothing"


def test_mining_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(11)
    english = [rng.choice(12, size=rng.integers(1, 6), replace=False).tolist() for _ in range(60)]
    source = [[word for word in line if rng.random() < 0.9] for line in english]

    def translation(given: list[list[int]], made: list[list[int]]) -> dict[tuple[int, int], float]:
        """t(made | given) by IBM model 1, links of pairs that share 2 lines or more."""
        shared = Counter((g, m) for gs, ms in zip(given, made, strict=True) for g in gs for m in ms)
        t = {pair: 1.0 for pair, lines in shared.items() if lines >= 2}
        for _ in range(8):
            counts: Counter[tuple[int, int]] = Counter()
            for gs, ms in zip(given, made, strict=True):
                for m in ms:
                    links = {g: t[g, m] for g in gs if (g, m) in t}
                    for g, value in links.items():
                        counts[g, m] += value / sum(links.values())
            t = {pair: value / sum(v for p, v in counts.items() if p[0] == pair[0]) for pair, value in counts.items()}
        return t

    forward, backward = translation(source, english), translation(english, source)
    found = mine_pairs(source, english, smallest=0.0)
    assert len(found) == 12, f"every word has its own: {found}"
    for x, y, score in found:
        assert score == pytest.approx((forward[x, y] * backward[y, x]) ** 0.5, rel=1e-5), f"pair {x}, {y}"


def test_long_texts_are_mined_evenly() -> None:
    assert evenly(3, 5).tolist() == [0, 1, 2], "all of a short text"
    assert evenly(11, 3).tolist() == [0, 5, 10], "from its beginning to its end"


def test_normalised_rows() -> None:
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((50, Q)) + 3
    rows[7] = 0
    result = normalised(rows, np.full(50, 9))
    assert not result[7].any(), "a zero row must stay zero"
    lengths = np.linalg.norm(np.delete(result, 7, axis=0), axis=1)
    assert np.allclose(lengths, 1), "all others are of unit length"
    assert np.linalg.norm(result.mean(axis=0)) < 0.1, "the rows must be centred"


def test_positive_pmi_equals_a_plain_loop() -> None:
    import scipy.sparse

    counts = np.array([[0, 4, 1], [4, 2, 0], [1, 0, 6]], dtype=float)
    found = positive_pmi(scipy.sparse.csr_array(counts)).toarray()
    contexts = counts.sum(axis=1) ** 0.75 / (counts.sum(axis=1) ** 0.75).sum()
    for i in range(3):
        for j in range(3):
            given = counts[i, j] / counts[i].sum()
            expected = max(0.0, np.log(given / contexts[j])) if given else 0.0
            assert found[i, j] == pytest.approx(expected), f"cell {i}, {j}"


@pytest.mark.parametrize("train", [train_svd, train_word2vec, train_fasttext])
def test_vectors_are_deterministic_and_know_likeness(train) -> None:
    rng = np.random.default_rng(7)
    subjects = {"animal": ["cat", "dog", "cow"], "tool": ["saw", "axe", "pen"]}
    verbs = {"animal": ["eats", "runs", "sleeps"], "tool": ["cuts", "breaks", "rusts"]}
    kinds = rng.choice(["animal", "tool"], size=600)
    text = [["the", rng.choice(subjects[k]), rng.choice(verbs[k]), "."] for k in kinds]
    first, second = (train(text, [1] * len(text), 8) for _ in range(2))
    assert all((first[piece] == second[piece]).all() for piece in first), "the same text must give the same vectors"
    words = [*subjects["animal"], *subjects["tool"]]
    rows = normalised(np.array([first[word] for word in words]), np.full(6, 100))
    cosines = rows @ rows.T
    within, across = cosines[:3, :3][~np.eye(3, dtype=bool)].mean(), cosines[:3, 3:].mean()
    assert within > across + 0.2, f"animals must be more like animals ({within}) than like tools ({across})"


def test_word_lists(tmp_path) -> None:
    path = tmp_path / "xx-en.txt"
    path.write_text("casa\thouse\nmare sea\n", "utf-8")
    assert read_word_list(path) == [("casa", "house"), ("mare", "sea")], "tab or space"
    path.write_text("casa house\nonly\n", "utf-8")
    with pytest.raises(InputError, match="line 2"):
        read_word_list(path)


def test_word_lists_are_in_clean_form(tmp_path) -> None:
    """Words of a list are put into the clean form of the text that they are looked up in."""
    path, wanted = tmp_path / "xx-en.txt", [("café", "coffee house"), ("don't", "no"), ("mare", "sea")]
    for text in (
        "café\tcoffee house\ndon't\tno\nmare\tsea\n",
        "cafe\u0301\tcoffee\u00a0house\ndon&#39;t\tno \nma\u200bre\tsea\r\n",
        "\ufeffcaf&eacute;\t coffee  house\n\ndon't\tno\n \nmare sea\n\n\n",
    ):
        path.write_text(text, "utf-8")
        assert read_word_list(path) == wanted, repr(text)


def test_lines_of_several_words_are_left_out_aloud(tmp_path, capsys) -> None:
    path = tmp_path / "xx-en.txt"
    path.write_text("casa house\nilu new york\nmare\tdeep sea\n", "utf-8")
    assert read_word_list(path) == [("casa", "house"), ("mare", "deep sea")]
    assert capsys.readouterr().err == "", "said once, by who reads it first"
    read_word_list(path, quiet=False)
    assert "1 of 3 lines are left out" in capsys.readouterr().err
    for text, expected in (("a\tb\tc\n", "line 1"), ("a\t\n", "line 1"), ("ilu new york\n", "has no such line")):
        path.write_text("\n" * (expected == "line 2") + text, "utf-8")
        with pytest.raises(InputError, match=expected):
            read_word_list(path)
