"""What the registry of languages says of codes and of the names of files of pairs."""

import pytest

from data_prep.base.language_registry import code_and_name, is_registered, language_name, languages_of_name, script_of


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("yo-en.tsv", ("yo", "en")),
        ("train.yo-en.tsv", ("yo", "en")),
        ("yo-en.train.tsv.gz", ("yo", "en")),
        ("pt-BR-en.tsv", ("pt-BR", "en")),
        ("sr-Latn-en.tsv", ("sr-Latn", "en")),
        ("zh_Hant-en.tsv.gz", ("zh_Hant", "en")),
        ("LG-en.tsv", ("lg", "en")),
        ("yo-fr.tsv", ("yo", "fr")),
        *((name, None) for name in ("pairs.tsv", "train.tsv", "bible.tsv", "corpus-yo-en.tsv", "yo-en-news.tsv")),
        *((name, None) for name in ("dev.tsv", "yo.tsv", "xx-en.tsv", "pt-BR.tsv", "train-en.tsv", "", "1-2.tsv")),
        ("yo-en.ro-en.tsv", None),
    ],
)
def test_the_languages_that_a_name_says(name: str, codes: tuple[str, str] | None) -> None:
    assert languages_of_name(name) == codes


def test_a_code_is_registered_with_all_its_parts() -> None:
    assert all(map(is_registered, ("yo", "pt-BR", "sr_Latn", "zh-Hant-TW")))
    assert not any(map(is_registered, ("train", "ro_tatoeba", "xx", "pt-Xxxx", "", "-", "ro/../..")))


def test_names() -> None:
    assert (code_and_name("yo"), code_and_name("sr-Latn")) == ("yo (Yoruba)", "sr-Latn (Serbian (Latin))")
    assert language_name("ro_tatoeba") == "Romanian", "a variant has the name of its language"
    assert code_and_name("qbx") == "qbx" and language_name("xx") is None, "made-up languages have no name"


def test_scripts() -> None:
    assert " ".join(str(script_of(code)) for code in ("zh", "zh-TW", "sr", "sr-Latn")) == "Hans Hant Cyrl Latn"
    assert script_of("xx") is None
