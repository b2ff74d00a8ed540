"""The model card: front matter that YAML reads, every fact in it, and no text of the data as markup."""

from dataclasses import replace

import yaml

from meta_nmt.cards.model_card import ModelFacts, model_card, write_model_card
from meta_nmt.cards.verdict import DRAFT, HINT, judge

FACTS = ModelFacts(
    source_lang="qu",
    target_lang="en",
    system="fomaml",
    strategy="emb_enc",
    seed=3,
    english_tokens=4800,
    pairs=600,
    scores={"dev BLEU": 31.25, "test chrF2++": 55.0},
    signatures=["nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"],
    verdict=judge("test", 31.25, 55.0, 2.0),
    samples=[("a | b", "<script>alert(1)</script>", "*c* `d`")],
    pack={
        "alignment": {"precision_at_1": 0.41, "words": 70, "poor": True},
        "sources": [{"name": "qu-en.tsv", "sha256": "ab" * 32}],
        "held_out_in_meta_training": 2,
    },
    commands=["meta-nmt-adapt --pairs qu-en.tsv", "echo ```"],
    cost=[{"command": "x", "kind": "adapt", "run": "/some/where/runs/qu", "parent": None, "train_tokens": 12345,
           "wall_s": 61.0, "peak_memory_mib": 800.0, "device": "a processor"}],
    commit="0123abc",
    versions={"torch": "2.13"},
    notes=["The pairs are from one book."],
)  # fmt: skip


def test_everything_known_is_said():
    card = model_card(FACTS)
    _, head, body = card.split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["language"] == ["qu", "en"] and front["metrics"] == ["bleu", "chrf"], front
    assert "# Translation from qu (Quechua) to en (English)" in body and "4,800 words of English" in body
    for text in ("31.25", "55.00", "600 sentence pairs", "4,800 words", "seed 3", "emb_enc", "tok:13a", "0.41",
                 "ab" * 8, "poor", "2 of its dev and test lines", "12,345", "runs/qu", "0123abc", "2.13", "one book",
                 "meta-nmt-adapt --pairs qu-en.tsv"):  # fmt: skip
        assert text in body, f"{text!r} is not in the card"
    assert "/some/where" not in card, "no paths of the machine it was made on, but their ends"


def test_nothing_is_recommended_beyond_the_scores():
    use = {
        verdict and verdict.use: model_card(replace(FACTS, verdict=verdict))
        for verdict in (None, *(judge("test", bleu, 45.0, 0.0) for bleu in (0.1, 8.0, 25.0)))
    }
    drafts = {key: "as a draft" in card for key, card in use.items()}
    assert drafts == {None: False, HINT: False, DRAFT: True}, "only good scores make a draft"
    assert "For nothing: its translations are of no use" in use[None], "0.1 BLEU"
    assert "was not measured" in model_card(replace(FACTS, verdict=None)), "no scores, no recommendation"


def test_licences_that_are_recorded_are_named():
    assert "no licence is recorded here" in model_card(FACTS)
    assert "recorded are: CC-BY \\| 2.0; other" in model_card(replace(FACTS, licences=["CC-BY | 2.0", "other"]))


def test_text_is_never_markup():
    card = model_card(FACTS)
    assert "<script>" not in card and "&lt;script&gt;" in card
    assert "a \\| b" in card and "\\*c\\* \\`d\\`" in card, "a cell stays a cell, and plain"
    assert card.count("````") == 2, "the block of commands ends where they end"


def test_no_fact_of_a_strangers_pack_is_markup_or_a_traceback():
    evil = "<img src=x>|[a](b)"
    pack = {
        "alignment": {"precision_at_1": evil, "words": evil, "poor": True},
        "sources": [{"name": evil, "sha256": evil}, 3],
        "held_out_in_meta_training": evil,
    }
    cost = [FACTS.cost[0] | dict.fromkeys(("command", "kind", "run", "device"), evil)]
    card = model_card(replace(FACTS, pack=pack, cost=cost, system=evil, versions={evil: evil}))
    body = card.split("---\n", 2)[2]
    assert "<img" not in body and "[a](b)" not in body and "&lt;img src=x" in body
    for strange in ({"sources": 3}, {"alignment": [], "sources": {}}):
        assert "Training data" in model_card(replace(FACTS, pack=strange))


def test_a_card_of_little_knowledge(tmp_path):
    path = write_model_card(ModelFacts("qu", "en", "scratch", "all", 1, 0), tmp_path)
    text = path.read_text("utf-8")
    assert path.name == "MODEL_CARD.md" and "None were measured." in text and "## Cost" not in text
    assert "trained from random parameters" in text
    assert [p.name for p in tmp_path.iterdir()] == ["MODEL_CARD.md"], "nothing half-written"


def test_a_name_that_is_no_unicode_is_written_all_the_same(tmp_path):
    path = write_model_card(replace(FACTS, commands=["meta-nmt-adapt --pairs \udcff.tsv"]), tmp_path)
    assert "--pairs ?.tsv" in path.read_text("utf-8")
