"""The embedded family: grammatical English, distinct languages, no leakage, same options same bytes."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from data_prep.__main__ import main
from data_prep.synthetic import family
from data_prep.synthetic.grammar import (
    BE,
    LEXICON,
    THE,
    WHO,
    A,
    Clause,
    Lexeme,
    NounPhrase,
    Sentence,
    draw_distinct,
    english,
    normalised,
)
from data_prep.synthetic.languages import LANGUAGES, Realiser

WORDS = {lexeme.name: lexeme for lexemes in LEXICON.values() for lexeme in lexemes}
SMALL = ["--sentences", "150", "--mono-sentences", "100"]


def noun(name: str, plural: bool = False, determiner: Lexeme | None = THE) -> NounPhrase:
    return NounPhrase(WORDS[f"{name}/noun"], plural, determiner)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (Sentence(Clause(noun("dog"), WORDS["see/verb"], "present", object=noun("cat", True))),
         "the dog sees the cats."),
        (Sentence(Clause(noun("child", True), WORDS["catch/verb"], "past", object=noun("owl", determiner=A))),
         "the children caught an owl."),
        (Sentence(Clause(noun("dog"), WORDS["see/verb"], "past", True, noun("cat")), question=True),
         "did the dog not see the cat?"),
        (Sentence(Clause(NounPhrase(WHO), WORDS["fry/verb"], "present", object=noun("egg", False, A)), True),
         "who fries an egg?"),
        (Sentence(Clause(NounPhrase(WORDS["i/pronoun"]), BE, "present", predicate=WORDS["old/adjective"])),
         "i am old."),
        (Sentence(Clause(noun("dog")._replace(relative=Clause(noun("dog"), WORDS["run/verb"], "past", True)),
                         WORDS["give/verb"], "future", object=noun("cat")._replace(
                             determiner=None, possessor=noun("king", True)),
                         recipient=NounPhrase(WORDS["she/pronoun"]))),
         "the dog that did not run will give the kings' cat to her."),
    ],
)  # fmt: skip
def test_english_agrees(sentence: Sentence, expected: str) -> None:
    assert english(sentence) == expected, "English agreement, tense or order is wrong"


def test_lexeme_names_are_unique() -> None:
    names = [lexeme.name for lexemes in LEXICON.values() for lexeme in lexemes]
    assert len(names) == len(set(names)), f"repeated: {sorted({n for n in names if names.count(n) > 1})}"
    assert len(names) > 400, f"a few hundred lexemes are promised, {len(names)} are there"


def test_word_order_and_case_follow_the_parameters() -> None:
    sentence = Sentence(Clause(noun("dog"), WORDS["see/verb"], "past", object=noun("cat")))
    for code, order in (("qba", "SOV"), ("qca", "VSO"), ("qed", "VOS"), ("qda", "SVO")):
        realiser = Realiser(LANGUAGES[code])
        text = realiser.sentence(sentence)
        parts = {"S": "dog/noun", "V": "see/verb", "O": "cat/noun"}
        place = {part: text.find(realiser.stems[WORDS[name]]) for part, name in parts.items()}
        assert "".join(sorted(place, key=lambda part: place[part])) == order, f"{code}: {text}"
    turkish_like = Realiser(LANGUAGES["qba"])
    cat = turkish_like.stems[WORDS["cat/noun"]]
    words = turkish_like.sentence(sentence).split()
    assert cat not in words and any(word.startswith(cat) for word in words), f"no case in {words}"


def test_free_words_have_no_homonyms() -> None:
    for language in LANGUAGES.values():
        realiser = Realiser(language)
        forms = [*realiser.particles.values(), *realiser.stems.values()]
        assert len(forms) == len(set(forms)), f"{language.code}: homonyms"


def test_relatives_share_more_words_than_strangers_but_not_all() -> None:
    stems = {code: list(Realiser(LANGUAGES[code]).stems.values()) for code in ("qda", "qdb", "qdx", "qba")}

    def shared(one: str, other: str) -> float:
        return sum(a == b for a, b in zip(stems[one], stems[other], strict=True)) / len(stems[one])

    names = len(LEXICON["name"]) / len(stems["qda"])
    assert shared("qda", "qba") < names + 0.05, "languages of two families should share names only"
    assert shared("qda", "qdb") > shared("qda", "qdx") > shared("qda", "qba") + 0.03, "relatives share words"
    assert shared("qda", "qdx") < 0.5, "a target must not be wholly like its relatives"


def test_no_source_combines_order_and_morphology_like_a_target() -> None:
    sources = [language for language in LANGUAGES.values() if language.role == "source"]
    targets = [language for language in LANGUAGES.values() if language.role == "target"]
    assert (len(sources), len(targets)) == (24, 3), "two dozen sources and three targets are promised"
    for target in targets:
        for source in sources:
            same = all(getattr(target, field) == getattr(source, field) for field in ("order", "case", "tense"))
            assert not same, f"{source.code} combines order, case and tense like {target.code}"
        for field in ("order", "adjective", "genitive", "adposition", "case", "plural", "article", "tense",
                      "negation", "question"):  # fmt: skip
            assert any(getattr(source, field) == getattr(target, field) for source in sources), (
                f"no source has the {field} of {target.code}: nothing to learn it from"
            )


def test_codes_are_private_use() -> None:
    for code in LANGUAGES:
        assert len(code) == 3 and "qaa" <= code <= "qtz", f"{code} may be a real language"


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def english_of(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for path in folder.glob("*-en.tsv"):
        yield path.name, [line.split("\t")[1] for line in lines(path)]
    for path in folder.glob("*-en/train.en"):
        yield str(path), lines(path)
    yield "mono", lines(folder / "mono" / "en.txt")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    assert family.main(["--out", str(out), *SMALL]) == 0, "generation failed"
    return out


def test_held_out_english_is_nowhere_else(corpus: Path) -> None:
    held = [text for path in corpus.glob("*-en/*.en") if path.name != "train.en" for text in lines(path)]
    assert len(held) == 4 * (300 + 500), "dev and test of one meta-validation and three target languages"
    keys = {normalised(text) for text in held}
    assert len(keys) == len(held), "dev and test sentences repeat"
    for name, texts in english_of(corpus):
        assert not keys & {normalised(text) for text in texts}, f"{name} has dev or test sentences"


def test_files_are_aligned_and_complete(corpus: Path) -> None:
    roles = json.loads((corpus / "languages.json").read_text(encoding="utf-8"))
    assert roles.keys() == LANGUAGES.keys(), "languages.json does not list every language"
    for code, record in roles.items():
        assert len(lines(corpus / "mono" / f"{code}.txt")) == 100, f"{code}: monolingual text"
        if record["role"] == "source":
            rows = [line.split("\t") for line in lines(corpus / f"{code}-en.tsv")]
            assert len(rows) == 150 and all(len(row) == 2 for row in rows), f"{code}: not X<TAB>English"
        else:
            for split, count in (("train", 150), ("valid", 300), ("test", 500)):
                sides = [lines(corpus / f"{code}-en" / f"{split}.{side}") for side in (code, "en")]
                assert [len(side) for side in sides] == [count, count], f"{code} {split}"


def test_word_lists_are_right_and_incomplete(corpus: Path) -> None:
    for code in ("qba", "qfx"):
        entries = [line.split(" ") for line in lines(corpus / "dict" / f"{code}-en.txt")]
        assert all(len(entry) == 2 for entry in entries) and len(entries) > 80, f"{code}: {entries}"
        realiser = Realiser(LANGUAGES[code])
        pairs = {(realiser.stems[lexeme], lexeme.forms[0]) for lexeme in LEXICON["adjective"]}
        known = sum((x, e) in pairs for x, e in entries)
        assert 5 < known < 0.8 * len(pairs), f"{code}: {known} of {len(pairs)} adjectives"


def test_same_options_give_the_same_bytes_and_a_language_does_not_depend_on_the_others(
    corpus: Path, tmp_path: Path
) -> None:
    assert family.main(["--out", str(tmp_path), "--languages", "qba,qbx", *SMALL]) == 0, "failed"
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 13, f"unexpected files: {made}"
    for name in made:
        if name.name != "languages.json":
            assert (tmp_path / name).read_bytes() == (corpus / name).read_bytes(), f"{name} differs"


def test_another_seed_gives_other_sentences() -> None:
    first, second = ([text for _, text in draw_distinct(Random(seed), 100, set())] for seed in (1, 2))
    assert len(set(first) & set(second)) < 10, "the seed should choose the sentences"


def test_six_hundred_pairs_do_not_saturate_the_grammar() -> None:
    drawn = [text for _, text in draw_distinct(Random(3), 1100, set())]
    known = {word.strip(".?") for text in drawn[:600] for word in text.split()}
    unseen = [text for text in drawn[600:] if any(word.strip(".?") not in known for word in text.split())]
    assert len(unseen) > 100, f"only {len(unseen)} of 500 sentences have a word that 600 pairs do not show"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--languages", "ro"], "'ro'"),
        (["--languages", ""], "--languages"),
        (["--sentences", "0"], "--sentences"),
        (["--sentences", "x"], "--sentences"),
    ],
)
def test_bad_options_get_one_line(
    arguments: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["synthetic", "--out", str(tmp_path / "out"), *arguments])
    except SystemExit as stop:
        status = stop.code  # type: ignore[assignment]
    message = capsys.readouterr().err
    assert status == 2 and message.count("\n") == 1 and part in message, message
    assert not (tmp_path / "out").exists(), "something was written"
