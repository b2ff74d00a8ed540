"""The glossary: what a report shows, and nothing else; the same names in every table."""

import re

from meta_nmt.meta_learners import META_LEARNERS
from meta_nmt.report import tables
from meta_nmt.report.glossary import SYSTEMS, glossary


def test_it_explains_what_the_report_shows(gathered):
    words = [word for word, _ in glossary(gathered)]
    for word in (
        "ro",
        "fi",
        "scratch",
        "joint",
        "fomaml",
        "meta_sgd",
        "zero-shot",
        "emb + enc",
        "learned rule",
        "BLEU",
    ):
        assert word in words, f"{word} is not explained: {words}"
    assert "reptile" not in words and "emb" not in words, "nothing that the report does not show"


def test_every_learner_of_ours_is_explained():
    assert set(META_LEARNERS) <= set(SYSTEMS), "a learner without an explanation"


def test_strategies_and_sizes_have_one_name_in_all_tables(gathered):
    shown = [tables.summary_table(gathered), tables.runs_table(gathered), tables.significance_table(gathered),
             tables.paper_table(gathered), tables.choices_table(gathered)]  # fmt: skip
    texts = {cell.text for table in shown for row in table.rows for cell in row} | {h for t in shown for h in t.head}
    assert {"zero-shot", "emb + enc", "16,000"} <= texts
    raw = [text for text in texts if re.search(r"emb_enc|\bzero$|\b16000\b|\b16k\b", text)]
    assert not raw, f"other names for the same: {raw}"


def test_the_names_of_a_choice():
    assert tables._with_titles("ro, 16000, fomaml, emb_enc, sample 1") == "ro, 16,000, fomaml, emb + enc, sample 1"
