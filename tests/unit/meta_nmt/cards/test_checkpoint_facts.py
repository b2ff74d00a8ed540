"""What a card says of a checkpoint: from its configuration, its run and the data folder."""

from pathlib import Path

from meta_nmt.cards.checkpoint_facts import facts_of_checkpoint


def test_an_adapted_checkpoint(data, adapted):
    facts = facts_of_checkpoint(data, adapted, "dd", "en", "meta-nmt-export")
    english = Path(data, "text/dd-en/train.en").read_text().split("\n")[:-1]
    assert (facts.system, facts.strategy, facts.seed) == ("joint", "all", 1), "what it started from, and how"
    assert (facts.pairs, facts.english_tokens) == (len(english), sum(len(line.split()) for line in english))
    assert list(facts.scores) == ["dev BLEU (beam 1)"]
    assert [record["kind"] for record in facts.cost] == ["train", "adapt"], "with what it started from"
    assert [command.split()[0] for command in facts.commands] == ["meta-nmt-train", "meta-nmt-adapt", "meta-nmt-export"]


def test_a_checkpoint_that_holds_no_language(data, meta):
    facts = facts_of_checkpoint(data, meta, "dd", "en", "meta-nmt-export")
    assert (facts.system, facts.strategy, facts.pairs, facts.english_tokens) == ("joint", "zero", None, 0)
    assert facts.scores == {}, "its score is of other languages"
