"""What a card says of an evaluation's adapted model: from its result, whatever the language translated into."""

import json

import pytest
from results_folder import write_result

from data_prep.base.errors import InputError
from data_prep.base.files import write_json, write_lines
from meta_nmt.cards.result_facts import facts_of_result

TEXTS = ("sources", "hypotheses", "references")
PAIRS = ["ein Satz", "noch ein Satz", "drei"]


@pytest.fixture
def evaluated(tmp_path):
    """A data folder whose languages are translated into German, a result on it, and the log of its adaptation."""
    data, run = tmp_path / "data", tmp_path / "adapted"
    write_json(data / "data.json", {"target_lang": "de", "languages": {}})
    write_lines(data / "text/ro-de/train-16000-s1.de", PAIRS)
    write_json(data / "lang/ro/card.json", {"alignment": {"precision_at_1": 0.5}})
    write_lines(run / "train_log.jsonl", [json.dumps({"split": "valid", "updates": n, "bleu": n / 2}) for n in (8, 4)])
    return write_result(tmp_path / "result", "fomaml", "ro", 16_000, "emb_enc", 1) / "result.json", run, data


def test_the_data_folder_says_what_is_translated_into(evaluated):
    facts = facts_of_result(*evaluated, "0123abc", {"torch": "2"})
    assert (facts.source_lang, facts.target_lang, facts.pairs, facts.english_tokens) == ("ro", "de", len(PAIRS), 16_000)
    assert (facts.system, facts.strategy, facts.seed) == ("fomaml", "emb_enc", 1)
    assert facts.pack == {"alignment": {"precision_at_1": 0.5}} and facts.versions == {"torch": "2"}
    assert list(facts.scores) == ["dev BLEU", "test BLEU", "test chrF", "test chrF2++"], "the dev set comes first"
    assert facts.scores["dev BLEU"] == 4.0, "the best of all validations"
    texts = [(evaluated[0].parent / f"{name}.txt").read_text().splitlines() for name in TEXTS]
    assert facts.samples == list(zip(*texts, strict=True)), "a source, its translation, its reference"


def test_what_is_not_there_is_left_out(evaluated):
    result, run, data = evaluated
    (data / "text/ro-de/train-16000-s1.de").unlink()
    (data / "lang/ro/card.json").unlink()
    (run / "train_log.jsonl").unlink()
    result.with_name("sources.txt").unlink()
    facts = facts_of_result(result, run, data, "0123abc", {})
    assert facts.pairs is None and facts.pack == {} and facts.samples == [] and "dev BLEU" not in facts.scores


def test_a_malformed_result_is_named(evaluated):
    result, run, data = evaluated
    result.write_text("{}")
    with pytest.raises(InputError, match="result.json"):
        facts_of_result(result, run, data, "0123abc", {})
