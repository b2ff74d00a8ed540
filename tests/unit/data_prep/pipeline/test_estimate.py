"""What is said before the work starts."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.pipeline.estimate import describe, seconds, spell
from data_prep.pipeline.plan import Options, Plan, make_plan
from data_prep.pipeline.survey import Survey, survey


@pytest.mark.parametrize(
    "time, wanted",
    [(50, "50 seconds"), (119, "119 seconds"), (600, "10 minutes"), (3 * 3600, "3 hours"), (0, "0 seconds")],
)
def test_times_for_people(time: float, wanted: str) -> None:
    assert spell(time) == wanted


def planned(folder: Path, lines: int) -> tuple[Plan, Survey]:
    folder.mkdir()
    for lang in ("aa", "bb", "tt"):
        (folder / f"{lang}-en.tsv").write_text(
            "".join(f"{lang} {i} foreign\tsentence number {i}\n" for i in range(lines))
        )
    options = Options(folder / "data", folder, ("aa", "bb"), (), ("tt",), english_tokens=(0, 20), workers=1)
    plan = make_plan(replace(options, split=replace(options.split, hold_out_last=(5, 5))))
    return plan, survey(plan)


def test_more_text_takes_longer(tmp_path: Path) -> None:
    small, large = planned(tmp_path / "small", 100), planned(tmp_path / "large", 3000)
    assert 0 < seconds(*small) < seconds(*large), "time grows with the text"
    said = describe(*large)
    assert "2 source, 0 valid, 1 target languages into en; 9,000 pairs and 0 monolingual lines" in said, said
    assert (
        "10 dev and test lines held out" in said and "samples of tt: 0, 20 English tokens, seeds 1, 2, 3, 4, 5" in said
    )


def test_the_same_english_of_several_languages_counts_once(tmp_path: Path) -> None:
    _, found = planned(tmp_path / "corpus", 3000)
    whole = found.languages["aa"].english.characters
    assert 0.7 * whole < found.distinct_english < 1.3 * whole, f"about {whole}, but is {found.distinct_english}"
