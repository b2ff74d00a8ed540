"""The generated languages: their parameters, their sounds and words, and how they spell out a sentence tree.

Codes are of the private-use range of ISO 639 (qaa to qtz); the second letter is the family. The languages of a family
share word forms through regular sound changes. A part of every lexicon belongs to one language only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any, NamedTuple

from data_prep.synthetic.grammar import (
    BE,
    LEXICON,
    SUBORDINATORS,
    THE,
    WHO,
    A,
    Clause,
    Lexeme,
    NounPhrase,
    Sentence,
    english_be,
)


class Family(NamedTuple):
    """The sounds of which the words of a family are made; in the shapes of syllables C is a consonant, V a vowel."""

    consonants: tuple[str, ...]
    vowels: tuple[str, ...]
    syllables: tuple[str, ...]


def _sounds(consonants: str, vowels: str, syllables: str) -> Family:
    return Family(tuple(consonants.split()), tuple(vowels.split()), tuple(syllables.split()))


FAMILIES = {
    "a": _sounds("p t k b d g m n l r s v", "a e i o u", "CV CV CVC CVC VC"),
    "b": _sounds("p t k m n l r s š č y j", "a e ı o u ö ü", "CV CVC CVC V"),
    "c": _sounds("p t k m n l r h w", "a e i o u", "CV CV CV V"),
    "d": _sounds("b d g z v ž r l m n k t", "a e i o u y", "CV CVC CCV CCVC"),
    "e": _sounds("q k t s h x m n l w y ts", "a i u aa", "CV CVC CV"),
    "f": _sounds("ph th kh b d g m n ng r s j", "a e i o u ai", "CV CVC CV"),
}

# a row: code, role, then the fields of Language from `order` on, sound changes last; True and False are yes and no
TABLE = """
qaa source SVO before after  pre  none suffix both   suffix yes before none  0.8 -
qab source SVO before after  pre  none suffix both   suffix yes after  start 0.7 p>f,b>w,u>ou
qac source SVO after  after  pre  none suffix both   suffix no  before none  0.7 k>g,s>z,o>a
qad source SVO before before pre  acc  suffix def    word   no  after  end   0.6 t>th,v>f,e>i
qba source SOV before before post all  suffix none   suffix yes suffix end   0.8 -
qbb source SOV before before post all  suffix none   suffix no  after  end   0.7 k>h,š>s,ö>o
qbc source SOV before before post all  suffix def    suffix yes before none  0.7 p>b,t>d,ü>i
qbd source SOV before after  post all  suffix both   suffix yes before start 0.6 č>š,r>z,ı>e
qca source VSO after  after  pre  none word   def    word   no  before start 0.8 -
qcb source VSO after  after  pre  none word   both   word   no  before none  0.7 k>',r>l,t>k
qcc source VOS after  after  pre  none word   both   word   no  before end   0.7 p>f,w>v,h>
qcd source SVO after  after  pre  none word   none   word   no  before end   0.6 l>r,k>c,e>i
qda source SVO before after  pre  all  suffix none   suffix yes before start 0.8 -
qdb source SVO before after  pre  all  suffix none   prefix yes suffix none  0.7 g>h,y>i,r>rz
qdc source SVO before before pre  all  suffix suffix suffix yes before end   0.7 z>s,ž>š,v>u
qdd source VSO after  after  pre  all  suffix none   suffix yes before start 0.6 d>t,b>p,o>uo
qea source SVO after  after  pre  none prefix none   prefix yes suffix none  0.8 -
qeb source SVO after  after  pre  none prefix both   prefix yes before end   0.7 q>k,ts>z,u>o
qec source VSO after  after  pre  acc  prefix def    prefix yes before start 0.7 x>h,aa>o,s>sh
qed source VOS after  after  pre  none prefix suffix prefix no  after  end   0.6 q>g,t>d,i>e
qfa source SOV before before post acc  word   none   word   no  after  end   0.8 -
qfb source SOV after  before post acc  word   both   word   no  before end   0.7 ph>f,kh>h,ai>e
qfc source SOV after  before post none word   none   suffix no  after  start 0.7 th>s,ng>n,o>u
qfd source SOV before before post acc  prefix def    suffix no  before none  0.6 b>v,d>z,j>y
qav valid  VSO before after  pre  acc  suffix both   prefix yes before start 0.6 t>s,d>r,a>ae
qbx target VSO before before post all  prefix suffix word   yes before start 0.5 t>c,k>q,a>e
qdx target SOV after  after  pre  acc  suffix both   prefix yes before end   0.5 g>k,z>ts,e>ie
qfx target VOS before before post all  suffix def    suffix no  after  none  0.5 ph>p,r>l,u>ui
"""


@dataclass(frozen=True)
class Language:
    """The parameters of one generated language."""

    code: str
    role: str  # source, valid (meta-validation) or target
    order: str  # of subject, verb, object
    adjective: str  # before or after its noun; numerals go with it
    genitive: str  # the possessor before or after its noun
    adposition: str  # pre or post
    case: str  # none, acc (objects only) or all (acc, dat, gen, loc); suffixes
    plural: str  # suffix, prefix or word
    article: str  # none, def, both, or a definite suffix
    tense: str  # suffix, prefix or word
    person: bool  # the verb agrees with its subject, and drops "i", "you" and "we"
    negation: str  # a word before or after the verb, or a suffix of it
    question: str  # a word at the start or end, or none
    cognates: float  # share of the family's words kept
    changes: str  # sound changes since the family's common language, old>new in this order

    @property
    def family(self) -> str:
        """The letter of the language's family."""
        return self.code[1]

    def record(self) -> dict[str, object]:
        """All parameters of the language, and its family, as languages.json has them."""
        return {**asdict(self), "family": self.family}


def _language(line: str) -> Language:
    values: dict[str, Any] = dict(zip((field.name for field in fields(Language)), line.split(), strict=True))
    values["person"] = values["person"] == "yes"
    values["cognates"] = float(values["cognates"])
    return Language(**values)


LANGUAGES = {language.code: language for language in map(_language, TABLE.strip().splitlines())}

CASES = {"none": (), "acc": ("acc",), "all": ("acc", "dat", "gen", "loc")}
AFFIXES = ("plural", "acc", "dat", "gen", "loc", "def", "past", "present", "future", "not", "neg",
           "1sg", "2sg", "3sg", "1pl", "3pl")  # fmt: skip
PARTICLES = ("the", "a", "plural", "past", "present", "future", "not", "question", "that", "of", "to")


def _build(rng: Random, family: Family, syllables: int) -> str:
    word = ""
    for _ in range(syllables):
        for slot in rng.choice(family.syllables):
            word += rng.choice(family.consonants if slot == "C" else family.vowels)
    return word


class Realiser:
    """Spells out sentence trees in one language, and counts in ``usage`` how often every inflected word was used."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.family = FAMILIES[language.family]
        self.changes = [tuple(change.split(">")) for change in language.changes.split(",") if ">" in change]
        self.cases = CASES[language.case]
        taken = {name.forms[0] for name in LEXICON["name"]}  # names are written alike in all languages
        self.particles = {name: self._form(f"particle/{name}", (1,), taken) for name in PARTICLES}
        self.stems: dict[Lexeme, str] = {}
        for group, lexemes in LEXICON.items():
            syllables = (1, 2) if group in ("pronoun", "preposition", "be") else (2, 2, 3)
            for lexeme in lexemes:
                self.stems[lexeme] = lexeme.forms[0] if group == "name" else self._form(lexeme.name, syllables, taken)
        affixes: set[str] = set()
        self.affixes = {name: self._form(f"affix/{name}", (1,), affixes) for name in AFFIXES}
        self.inflected: dict[tuple[object, ...], str] = {}
        self.usage: Counter[tuple[str, str]] = Counter()  # (word of the language, English word)

    def _form(self, name: str, syllables: tuple[int, ...], taken: set[str]) -> str:
        """A word form that is not in ``taken``: the family's after the sound changes, or one of this language alone."""
        language = self.language
        own_rng = Random(f"{language.code}/{name}")
        rng = Random(f"family {language.family}/{name}") if own_rng.random() < language.cognates else own_rng
        length = rng.choice(syllables)
        while True:
            form = _build(rng, self.family, length)
            for old, new in self.changes:
                form = form.replace(old, new)
            if form and form not in taken:
                taken.add(form)
                return form
            length = min(length + 1, 3)

    def sentence(self, sentence: Sentence) -> str:
        """The sentence in this language, with its full stop or question mark."""
        words = self._clause(sentence.clause)
        if sentence.second is not None and sentence.conjunction is not None:
            words = self._join(words, sentence.conjunction, self._clause(sentence.second))
        if sentence.question and sentence.clause.subject.head is not WHO:
            if self.language.question == "start":
                words.insert(0, self.particles["question"])
            elif self.language.question == "end":
                words.append(self.particles["question"])
        return " ".join(words) + ("?" if sentence.question else ".")

    def _join(self, first: list[str], conjunction: Lexeme, second: list[str]) -> list[str]:
        word = self._plain(conjunction)
        if self.language.adposition == "post" and conjunction.forms[0] in SUBORDINATORS:
            return [*second, word, *first]
        return [*first, word, *second]

    def _clause(self, clause: Clause, with_subject: bool = True) -> list[str]:
        language = self.language
        subject = clause.subject
        dropped = language.person and subject.head.kind == "pronoun" and subject.head.person < 3
        things: list[str] = []
        if clause.predicate is not None:
            things = [self._plain(clause.predicate)]
        if clause.recipient is not None:
            things = self._governed(clause.recipient, "dat", "to")
        if clause.object is not None:
            things += self._noun_phrase(clause.object, "acc")
        setting: list[str] = []
        if clause.place is not None:
            phrase = self._noun_phrase(clause.place[1], "loc")
            setting = self._adposition(self._plain(clause.place[0]), phrase)
        if clause.manner is not None:
            setting.append(self._plain(clause.manner))
        words: list[str] = []
        for part in language.order:
            if part == "S" and with_subject and not dropped:
                words += self._noun_phrase(subject, "nom")
            elif part == "O":
                words += setting + things if language.order == "SOV" else things
            elif part == "V":
                words += self._verb(clause)
        if language.order != "SOV":
            words += setting
        if clause.time is not None:
            words.insert(0, self._plain(clause.time))
        return words

    def _verb(self, clause: Clause) -> list[str]:
        language = self.language
        head, plural = clause.subject.head, clause.subject.plural
        key = (clause.verb, clause.tense, head.person, plural, clause.negative)
        word = self.inflected.get(key)
        if word is None:
            word = self.stems[clause.verb]
            if language.tense == "prefix":
                word = self._attach(self.affixes[clause.tense], word)
            elif language.tense == "suffix":
                word = self._attach(word, self.affixes[clause.tense])
            if language.person:
                # "you" is always singular here
                person = f"{head.person}{'pl' if plural and head.person != 2 else 'sg'}"
                word = self._attach(word, self.affixes[person])
            if clause.negative and language.negation == "suffix":
                word = self._attach(word, self.affixes["not"])
            self.inflected[key] = word
        self.usage[word, _english_verb_word(clause)] += 1
        words = [word]
        if clause.negative and language.negation != "suffix":
            words.insert(0 if language.negation == "before" else 1, self.particles["not"])
        if language.tense == "word" and clause.tense != "present":
            words.insert(0, self.particles[clause.tense])
        return words

    def _noun_phrase(self, phrase: NounPhrase, case: str) -> list[str]:
        language = self.language
        head = phrase.head
        marked = case if case in self.cases else ""
        if head.kind in ("pronoun", "who", "name"):
            return [self._noun(head, False, marked, False)]
        definite = phrase.determiner is THE and language.article == "suffix"
        words = [self._noun(head, phrase.plural, marked, definite)]
        if phrase.plural and language.plural == "word":
            words.insert(0, self.particles["plural"])
        modifiers = [self._plain(adjective) for adjective in phrase.adjectives]
        if phrase.numeral is not None:
            modifiers.insert(0, self._plain(phrase.numeral))
        words = modifiers + words if language.adjective == "before" else words + modifiers
        if phrase.possessor is not None:
            owner = self._governed(phrase.possessor, "gen", "of")
            words = owner + words if language.genitive == "before" else words + owner
        words = self._determiner(phrase) + words
        if phrase.relative is not None:
            relative = self._clause(phrase.relative, with_subject=False)
            if language.order == "SOV":
                words = [*relative, self.particles["that"], *words]
            else:
                words = [*words, self.particles["that"], *relative]
        return words

    def _determiner(self, phrase: NounPhrase) -> list[str]:
        determiner, article = phrase.determiner, self.language.article
        if determiner is None or (determiner is A and phrase.plural):
            return []
        if determiner is THE:
            return [self._plain(THE)] if article in ("def", "both") else []
        if determiner is A:
            return [self._plain(A)] if article == "both" else []
        return [self._plain(determiner)]

    def _governed(self, phrase: NounPhrase, case: str, particle: str) -> list[str]:
        """A noun phrase in a case, or with a particle in languages without that case."""
        words = self._noun_phrase(phrase, case)
        return words if case in self.cases else self._adposition(self.particles[particle], words)

    def _adposition(self, word: str, phrase: list[str]) -> list[str]:
        return [word, *phrase] if self.language.adposition == "pre" else [*phrase, word]

    def _noun(self, head: Lexeme, plural: bool, case: str, definite: bool) -> str:
        key = (head, plural, case, definite)
        word = self.inflected.get(key)
        if word is None:
            word = self.stems[head]
            if plural and self.language.plural == "prefix":
                word = self._attach(self.affixes["plural"], word)
            if plural and self.language.plural == "suffix":
                word = self._attach(word, self.affixes["plural"])
            for affix in (case, "def" if definite else ""):
                word = self._attach(word, self.affixes[affix]) if affix else word
            self.inflected[key] = word
        self.usage[word, head.forms[plural]] += 1
        return word

    def _attach(self, first: str, second: str) -> str:
        """Two pieces of a word joined; a consonant is put between two vowels."""
        if first[-1] in "aeiouıöüy" and second[0] in "aeiouıöüy":
            return first + self.family.consonants[-1] + second
        return first + second

    def _plain(self, lexeme: Lexeme) -> str:
        word = self.stems[lexeme]
        self.usage[word, lexeme.forms[0]] += 1
        return word


def _english_verb_word(clause: Clause) -> str:
    person, plural = clause.subject.head.person, clause.subject.plural
    if clause.verb is BE and clause.tense != "future":
        return english_be(clause.tense, person, plural)
    base, present, past = clause.verb.forms
    if clause.tense == "past":
        return past
    return present if clause.tense == "present" and person == 3 and not plural else base
