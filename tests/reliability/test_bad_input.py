"""Malformed input: of each kind a few in the quick tests, all of them with -m slow and in the campaign."""

import pytest
from campaign import bad_input

CASES = bad_input.all_cases()
QUICK = {(case.kind, case.name) for case in bad_input.sample(CASES[::7], 3)}


def test_the_corpus_is_large():
    assert len(CASES) >= 200


@pytest.fixture(scope="module")
def materials(data, meta):
    return bad_input.Materials(data, meta / "checkpoint_best.pt")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=f"{case.kind}: {case.name}",
            marks=() if (case.kind, case.name) in QUICK else pytest.mark.slow,
        )
        for case in CASES
    ],
)
def test_malformed_input(materials, tmp_path, case):
    assert (wrong := bad_input.complaint(case, tmp_path / "case", materials)) is None, wrong


def test_a_complaint_is_possible(materials, tmp_path):
    """The check itself: good input where bad is expected, a missing word, code that runs."""
    good = next(case for case in CASES if case.status == bad_input.HANDLED and case.kind == "raw text")
    asked = bad_input.Case("", "", good.command, good.argv)
    assert "exit status 0 instead of 2" in bad_input.complaint(asked, tmp_path / "a", materials)
    bad = next(case for case in CASES if case.words and case.kind == "raw text")
    asked = bad_input.Case("", "", bad.command, bad.argv, ("no such word",))
    assert "no such word" in bad_input.complaint(asked, tmp_path / "b", materials)

    def argv(folder, materials):
        return bad.argv(folder, materials) if not (folder / bad_input.PROOF).touch() else []

    asked = bad_input.Case("", "", bad.command, argv)
    assert "code in the input was run" in bad_input.complaint(asked, tmp_path / "c", materials)
