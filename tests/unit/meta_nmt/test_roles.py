"""Roles of languages: what may not be meta-trained on."""

import json

import pytest

from data_prep.base.errors import InputError
from meta_nmt.roles import added_card, added_role, refuse_held_out


def test_source_languages_alone_are_trained_on(data):
    refuse_held_out(data, ["aa", "bb"], ["cc"])
    for code, valid, role in (("dd", ["cc"], "target"), ("cc", [], "valid"), ("aa", ["aa"], "meta-validation")):
        with pytest.raises(InputError, match=f"held-out language, but names {code}, a {role} language"):
            refuse_held_out(data, [code], valid)


def test_a_language_that_was_added_later_has_its_role_in_its_card(own_data):
    assert added_role(own_data, "ee") is None
    added_card(own_data, "ee").parent.mkdir()
    added_card(own_data, "ee").write_text(json.dumps({"role": "target"}))
    assert added_role(own_data, "ee") == "target"
    with pytest.raises(InputError, match="names ee, a target language"):
        refuse_held_out(own_data, ["aa", "ee"], [])


def test_a_folder_without_a_record_is_named(tmp_path):
    with pytest.raises(InputError, match="must be a folder made by meta-nmt-preprocess, but has no data.json"):
        refuse_held_out(tmp_path, ["aa"], [])
