"""The spelling of language codes."""

import pytest

from data_prep.base.languages import code_list, spellings, usual_spelling


@pytest.mark.parametrize(
    ("typed", "code"),
    [("LG", "lg"), ("lg", "lg"), ("PT-BR", "pt-BR"), ("pt_BR", "pt_BR"), ("SR_Latn", "sr_Latn"), ("", "")],
)
def test_the_language_is_in_small_letters(typed: str, code: str) -> None:
    assert usual_spelling(typed) == code


def test_lists_and_names_of_files() -> None:
    assert code_list("LG, ro,PT-BR") == ("lg", "ro", "pt-BR")
    assert spellings("pt-BR", "en") == [("pt-BR", "en"), ("PT-BR", "en"), ("PT-BR", "EN")]
