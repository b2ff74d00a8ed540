"""Significance: sacreBLEU's own p-values, for one seed, several seeds and several targets."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from meta_nmt.report.results import read_lines, read_result
from meta_nmt.report.significance import ALL_TARGETS, Pair, common_seeds, compare, paired_test, t_test, tasks


def sacrebleu(test, references, *hypotheses):
    """(score, p) of the last of the hypotheses against the first, as the command prints them."""
    command = [sys.executable, "-m", "sacrebleu", str(references), "-i", *map(str, hypotheses), f"--paired-{test}"]
    done = subprocess.run([*command, "-m", "bleu", "--format", "json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return found[-1]["BLEU"]["score"] - found[0]["BLEU"]["score"], found[-1]["BLEU"]["p_value"]


@pytest.fixture(scope="module")
def pair(results):
    """fomaml and joint at one cell and seed."""
    ours, theirs = (read_result(results / f"ro-{s}-emb_enc-16000-s1/result.json") for s in ("fomaml", "joint"))
    return Pair("ro", (ours,), (theirs,))


@pytest.mark.parametrize("test", ["bs", "ar"])
def test_one_seed_equals_the_sacrebleu_command(test, pair):
    ours, theirs = pair.ours[0], pair.theirs[0]
    wanted = sacrebleu(test, ours.references, theirs.hypotheses, ours.hypotheses)
    found = paired_test([pair], test)
    assert found == pytest.approx(wanted, abs=1e-9), f"{test}: (delta, p) should be {wanted}"
    assert 0 < found[1] < 1, "a p-value between the extremes shows more"


@pytest.mark.parametrize("test", ["bs", "ar"])
def test_several_targets_equal_the_command_on_their_texts_together(test, results, tmp_path):
    pairs, texts = [], {"fomaml": [], "joint": [], "references": []}
    for target in ("ro", "fi"):
        ours, theirs = (
            read_result(results / f"{target}-{s}-emb_enc-16000-s1/result.json") for s in ("fomaml", "joint")
        )
        pairs.append(Pair(target, (ours,), (theirs,)))
        for name, path in (("fomaml", ours.hypotheses), ("joint", theirs.hypotheses), ("references", ours.references)):
            texts[name] += read_lines(path)
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    wanted = sacrebleu(test, *(tmp_path / name for name in ("references", "joint", "fomaml")))
    assert paired_test(pairs, test) == pytest.approx(wanted, abs=1e-9), test


def test_translations_of_one_sentence_by_several_seeds_are_no_independent_evidence(pair):
    """The same translations three times say nothing more; as if independent, they would seem to."""
    once = paired_test([pair], "bs")
    thrice = paired_test([Pair("ro", pair.ours * 3, pair.theirs * 3)], "bs")
    assert thrice == pytest.approx(once, abs=0.02), "repeating a seed must not change the verdict"
    longer = [replace(r, statistics=np.concatenate([r.statistics] * 3)) for r in (*pair.ours, *pair.theirs)]
    naive = paired_test([Pair("ro", (longer[0],), (longer[1],))], "bs")
    assert naive[1] < 0.7 * once[1], "this is the mistake that is avoided"


def test_the_t_test_is_over_seeds(pair):
    def runs(target, theirs, ours):
        results = [
            tuple(replace(pair.ours[0], seed=s, bleu=b) for s, b in enumerate(side, 1)) for side in (ours, theirs)
        ]
        return Pair(target, *results)

    ro, fi = runs("ro", [20.0, 21.0, 22.0], [20.5, 21.0, 23.0]), runs("fi", [10.0, 11.0, 12.0], [10.1, 11.0, 12.2])
    # by hand: differences 0.5, 0, 1: mean 0.5, standard error 0.5 / sqrt(3), t = sqrt(3); with two degrees of freedom
    # p = 1 - t / sqrt(t^2 + 2)
    assert t_test([ro]) == pytest.approx((0.5, 1 - (3 / 5) ** 0.5))
    # over both targets: 0.3, 0, 0.6, as every one of them is 0.6 times as large
    assert t_test([ro, fi]) == pytest.approx((0.3, 1 - (3 / 5) ** 0.5))
    assert t_test([runs("ro", [1.0, 2.0], [1.0, 2.0])]) == (0.0, 1.0), "the same translations"
    assert t_test([runs("ro", [1.1, 1.1], [1.4, 1.4])]) == pytest.approx((0.3, 1.0)), "one run, copied"
    more = Pair("fi", fi.ours[1:], fi.theirs[1:])
    assert common_seeds([ro, more]) == [2, 3] and t_test([ro, more])[0] == pytest.approx(0.3), "seeds that both have"


def test_every_cell_is_compared_and_all_targets_together(gathered):
    found = {(c.target, c.english_tokens, c.strategy, c.system, c.test) for c in gathered.significance}
    assert {("ro", 16_000, "emb_enc", "fomaml", test) for test in ("bs", "ar")} <= found, "both tests of a cell"
    assert (ALL_TARGETS, 16_000, "emb_enc", "fomaml", "bs") in found, "over targets"
    assert ("ro", 0, "zero", "fomaml", "bs") in found, "zero-shot"
    assert not [c for c in gathered.significance if c.system in ("joint", "scratch")], "the baselines are not compared"
    t_tests = {(c.target, c.english_tokens, c.strategy) for c in gathered.significance if c.test == "t"}
    assert ("ro", 1000, "emb_enc") in t_tests, "three seeds"
    assert ("ro", 0, "zero") not in t_tests, "one run has no deviation"
    learned = next(c for c in gathered.significance if c.strategy == "learned")
    assert learned.against == "joint, emb_enc", "a strategy that joint has not is compared with its fine-tuning"
    seeds = [c for c in gathered.by_seed if (c.target, c.english_tokens, c.system) == ("ro", 1000, "fomaml")]
    assert [c.seeds for c in seeds] == [(1,), (2,), (3,)], "each seed by itself"


def test_other_test_sets_are_not_compared(pair, tmp_path):
    other = tmp_path / "references.txt"
    other.write_bytes(pair.theirs[0].references.read_bytes().replace(b"dog", b"cat"))
    assert not tasks([pair.ours[0], replace(pair.theirs[0], references=other)]), "translations of different test sets"
    (task,) = (t for t in tasks([pair.ours[0], pair.theirs[0]]) if t[-1] == "bs")
    assert compare(*task).seeds == (1,), "of the same one"
