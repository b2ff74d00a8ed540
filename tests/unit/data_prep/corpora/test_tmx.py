"""Translation memories: what their entities and empty texts mean, and that no part of one fills the memory."""

import io

import pytest

from data_prep.base.errors import InputError
from data_prep.corpora import tmx
from data_prep.corpora.corpus import find_corpus, read_corpus

DOCTYPES = {
    "none": "",
    "external": '<!DOCTYPE tmx SYSTEM "tmx14.dtd">',
    "internal": "<!DOCTYPE tmx [<!ELEMENT seg ANY>]>",
    "both": '<!DOCTYPE tmx PUBLIC "x" "tmx14.dtd" [<!ELEMENT seg ANY>]>',
}


def units_of(text: str) -> list[tmx.Texts]:
    return list(tmx.iter_units(io.BytesIO(text.encode()), "a.tmx"))


def memory_of(*segments: tuple[str, str], doctype: str = "") -> str:
    texts = "".join(f'<tuv xml:lang="{lang}"><seg>{text}</seg></tuv>' for lang, text in segments)
    return f"{doctype}<tmx><body><tu>{texts}</tu></body></tmx>"


@pytest.mark.parametrize("doctype", DOCTYPES.values(), ids=DOCTYPES)
def test_entities_of_html_stand_for_their_characters(doctype: str) -> None:
    (unit,) = units_of(memory_of(("fr", "caf&eacute; &amp; 5&nbsp;&euro; &#233;"), doctype=doctype))
    assert unit["fr"] == "café & 5\xa0€ é"


@pytest.mark.parametrize("doctype", DOCTYPES.values(), ids=DOCTYPES)
def test_an_entity_that_nobody_declares_is_refused_by_name(doctype: str) -> None:
    with pytest.raises(InputError, match=r"a\.tmx, line 1: .*&brand;"):
        units_of(memory_of(("fr", "un &brand; neuf"), doctype=doctype))
    marked = memory_of(("fr", "<ph>&brand;</ph>un"), doctype=doctype)
    assert units_of(marked) == [{"fr": "un"}], "what is mark-up and no text may name anything"


@pytest.mark.parametrize("empty", ["", " ", "\n", "<ph>x</ph>"])
def test_the_first_text_that_is_not_blank_counts(empty: str) -> None:
    (unit,) = units_of(memory_of(("yo", empty), ("yo", "ile"), ("yo", "omi"), ("en", "house")))
    assert unit == {"yo": "ile", "en": "house"}, "an empty text before a full one"
    (unit,) = units_of(memory_of(("pt", empty), ("pt-AO", empty), ("pt-BR", "casa")))
    assert tmx.text_of(unit, "pt") == "casa", "a variant that has a text goes before the language without one"
    (unit,) = units_of(memory_of(("pt", empty)))
    assert not (tmx.text_of(unit, "pt") or "").strip() and tmx.text_of(unit, "yo") is None


def test_an_error_lists_the_codes_that_the_file_has(tmp_path) -> None:
    (tmp_path / "yo-en.tmx").write_text(memory_of(("yor", "ile"), ("eng", "house")))
    with pytest.raises(InputError, match="text in yo and en, but none of 1 rows has both; the file has eng, yor$"):
        read_corpus(find_corpus(tmp_path, "yo"))
    many = [(f"x{number:02}", "a") for number in range(50)]
    (tmp_path / "yo-en.tmx").write_text(memory_of(*many))
    with pytest.raises(InputError, match=r"x00, .*x19, \.\.\.$"):
        read_corpus(find_corpus(tmp_path, "yo"))


START = "<tmx><tu><tuv lang='xx'><seg>"
ENDLESS = {
    "segment": (START, "a" * 64),
    "segment of entities": (START, "&nbsp;&lt;" * 8),
    "segments": ("<tmx><tu>", f"<tuv lang='xx'><seg>{'a' * 64}</seg></tuv>"),
    "languages": ("<tmx><tu>", "<tuv lang='{}'><seg/></tuv>"),
    "comment": ("<tmx><!--", "a" * 64),
    "attribute": ("<tmx><tuv lang='", "a" * 64),
    "name": ("<tmx><", "a" * 64),
    "space in a tag": ("<tmx", " " * 64),
    "instruction": ("<tmx><?a ", "a" * 64),
    "nesting": ("<tmx>", "<a>" * 16),
}


@pytest.mark.parametrize("start, more", ENDLESS.values(), ids=ENDLESS)
def test_nothing_in_a_memory_is_endless(monkeypatch: pytest.MonkeyPatch, start: str, more: str) -> None:
    """Refused after the limit, and not at the end of the file, which never comes."""
    monkeypatch.setattr(tmx, "LONGEST_UNIT", 1000)
    monkeypatch.setattr(tmx, "LONGEST_TAG", 1000)
    monkeypatch.setattr(tmx, "DEEPEST", 100)
    monkeypatch.setattr(tmx, "BLOCK", 100)
    blocks = iter(range(600))

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            number = next(blocks, None)
            assert number is not None, "the limit was not kept"
            return (start if number == 0 else more.format(number)).encode()

    with pytest.raises(InputError, match=r"a\.tmx, line 1: must have at most"):
        list(tmx.iter_units(Endless(), "a.tmx"))
