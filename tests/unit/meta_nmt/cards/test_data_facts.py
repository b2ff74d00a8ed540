"""What the records of a data folder tell for a card: the licences of the text."""

import pytest

from data_prep.base.files import write_json
from data_prep.corpora.corpus import find_corpus
from meta_nmt.cards.data_facts import recorded_licences


def test_licences_go_from_a_manifest_to_the_cards(tmp_path):
    entries = "".join(
        f"  - {{name: {name}, kind: tsv, languages: [ro, en], licence: {licence}, path: {name}.tsv, split: {split}}}\n"
        for name, licence, split in (("a", "CC0", "train"), ("b", "research use", "valid"), ("c", "CC0", "test"))
    )
    (tmp_path / "manifest.yaml").write_text(f"corpora:\n{entries}")
    for name in "abc":
        (tmp_path / f"{name}.tsv").write_text("x\ty\n")
    assert find_corpus(tmp_path, "ro").licences == ("CC0", "research use")
    languages = {"ro": {"licences": ["CC0", "research use"]}, "fi": {}}
    write_json(tmp_path / "data.json", {"target_lang": "en", "languages": languages})
    write_json(tmp_path / "lang/qu/card.json", {"licences": ["ours"]})
    assert recorded_licences(tmp_path, "qu") == ["CC0", "ours", "research use"]


@pytest.mark.parametrize("languages", [None, [], {"ro": 5}, {"ro": {"licences": 5}}, {"ro": {"licences": [[]]}}])
def test_a_record_of_another_form_names_none(languages, tmp_path):
    write_json(tmp_path / "data.json", {"target_lang": "en", "languages": languages})
    assert recorded_licences(tmp_path, "qu") == []
