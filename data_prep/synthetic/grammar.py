"""Sentences of a small grammar: the lexicon, sentences as trees, and how English says them.

A tree says nothing about word order or inflection: ``english`` here, and ``languages.Realiser`` for the other
languages, make words of it. Words are drawn by frequency (Zipf) and topic. A sentence has one topic, and every content
word has two in which it is likely, so that monolingual vectors have something to learn. All text is lower case.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Set
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from random import Random
from typing import NamedTuple

NOUNS = {  # singular, or singular:plural where it is irregular
    "person": """man:men woman:women child:children boy girl teacher farmer doctor king queen baker
        sailor soldier mother father sister brother friend neighbour hunter singer painter student judge
        nurse guest thief:thieves poet driver uncle aunt prince servant stranger butcher tailor captain
        priest lawyer engineer dancer""",
    "animal": """dog cat horse cow sheep:sheep goat pig hen duck goose:geese mouse:mice wolf:wolves fox
        bear lion rabbit bird fish:fish snake frog bee spider eagle donkey camel deer:deer owl crow
        turtle whale""",
    "food": """bread apple cheese egg soup cake potato:potatoes onion carrot pear plum nut honey salt
        rice meat bean tomato:tomatoes grape lemon pie sausage melon pepper mushroom cherry biscuit""",
    "text": """book letter story poem song map newspaper note list message report sign riddle diary
        contract recipe""",
    "thing": """table chair bed door window cup knife:knives spoon bag box key lamp mirror clock rope
        hammer nail needle basket bottle blanket shirt coat hat shoe ring sword candle broom bucket
        wheel boat cart ladder plate brush drum flute coin stone flower picture pillow umbrella saddle
        axe bell net kettle plough""",
    "place": """house school river mountain forest field town village market church garden kitchen road
        bridge island lake sea beach castle tower farm mill shop station harbour valley cave park yard
        office hospital library prison inn desert well""",
}
TRANSITIVE = {  # verbs (present, or present:past) by the class of the object
    "any": """see:saw find:found like love want watch remember forget:forgot draw:drew describe need
        notice paint miss seek:sought""",
    "person": """help call thank visit kiss greet marry trust blame pay:paid teach:taught invite warn
        praise cheat obey""",
    "animal": """feed:fed hunt catch:caught chase ride:rode wash kill tame milk stroke""",
    "food": """eat:ate cook taste smell peel share cut:cut swallow burn fry""",
    "text": """read:read write:wrote copy translate hide:hid learn finish explain sign print""",
    "thing": """buy:bought carry break:broke clean repair steal:stole lose:lost hold:held drop:dropped
        make:made throw:threw lift push pull borrow open close""",
    "place": """leave:left enter build:built reach guard cross""",
}
INTRANSITIVE = """sleep:slept run:ran walk laugh cry sing:sang dance work wait fall:fell swim:swam smile
    jump live travel rest sit:sat stand:stood shout whisper speak:spoke arrive play die wake:woke cough
    grow:grew hesitate"""
DITRANSITIVE = """give:gave send:sent show bring:brought sell:sold lend:lent offer promise"""
ADJECTIVES = """big small old young good bad new red white black green blue beautiful ugly tall short
    long heavy light happy sad angry rich poor strong weak clean dirty cold warm quiet loud brave clever
    lazy hungry kind strange famous broken empty golden wooden tired humble proud holy"""
MANNERS = """quickly slowly quietly well badly happily carefully suddenly secretly together alone gladly
    proudly politely"""
TIMES = {
    "present": "now today often always",
    "past": "yesterday already today once",
    "future": "tomorrow soon later",
}
PREPOSITIONS = "in near behind with without on under from beside for"
NUMERALS = "two three four five six seven eight nine ten twelve many"
NAMES = """anna tom maria david peter lena omar sara ivan nina hugo clara marco julia felix rosa leo
    emma victor dora"""
PRONOUNS = {  # subject: (object, possessive, person, plural)
    "i": ("me", "my", 1, False), "you": ("you", "your", 2, False), "he": ("him", "his", 3, False),
    "she": ("her", "her", 3, False), "it": ("it", "its", 3, False), "we": ("us", "our", 1, True),
    "they": ("them", "their", 3, True),
}  # fmt: skip
CONJUNCTIONS = "and but because when"
SUBORDINATORS = ("because", "when")
TENSES = ("present", "past", "future")
TOPICS = 16
HOME_TOPIC_BOOST = 30.0  # how much likelier a word is in its two topics; high, since vectors see little text
ZIPF_EXPONENT = 0.7


@dataclass(frozen=True, eq=False, slots=True)
class Lexeme:
    """A word of the shared lexicon; ``name`` is unique, and two lexemes are equal only if they are the same object."""

    name: str
    kind: str  # "person", "animal", ..., "verb", "adjective", "manner", "pronoun", ...
    forms: tuple[str, ...]  # English: noun (sg, pl), verb (base, 3sg, past), pronoun (subj., obj., poss.)
    person: int = 3
    plural: bool = False


class NounPhrase(NamedTuple):
    """A noun phrase as a tree."""

    head: Lexeme
    plural: bool = False
    determiner: Lexeme | None = None  # the, a, this, that
    adjectives: tuple[Lexeme, ...] = ()
    numeral: Lexeme | None = None
    possessor: NounPhrase | None = None
    relative: Clause | None = None  # its subject is this noun phrase


class Clause(NamedTuple):
    """A clause as a tree: a subject, a verb, and what belongs to the verb."""

    subject: NounPhrase
    verb: Lexeme
    tense: str
    negative: bool = False
    object: NounPhrase | None = None
    recipient: NounPhrase | None = None
    predicate: Lexeme | None = None  # an adjective, with the verb "be"
    manner: Lexeme | None = None
    place: tuple[Lexeme, NounPhrase] | None = None
    time: Lexeme | None = None


class Sentence(NamedTuple):
    """A sentence as a tree: one clause, or two with a conjunction between them."""

    clause: Clause
    question: bool = False
    conjunction: Lexeme | None = None
    second: Clause | None = None


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _past(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return verb + "ed"


def _noun(entry: str, kind: str) -> Lexeme:
    singular, _, plural = entry.partition(":")
    return Lexeme(f"{singular}/noun", kind, (singular, plural or _plural(singular)))


def _verb(entry: str) -> Lexeme:
    base, _, past = entry.partition(":")
    return Lexeme(f"{base}/verb", "verb", (base, _plural(base), past or _past(base)))


def _words(text: str, kind: str) -> list[Lexeme]:
    return [Lexeme(f"{word}/{kind}", kind, (word,)) for word in text.split()]


LEXICON: dict[str, list[Lexeme]] = {
    **{kind: [_noun(entry, kind) for entry in text.split()] for kind, text in NOUNS.items()},
    **{f"transitive {kind}": [_verb(entry) for entry in text.split()] for kind, text in TRANSITIVE.items()},
    "intransitive": [_verb(entry) for entry in INTRANSITIVE.split()],
    "ditransitive": [_verb(entry) for entry in DITRANSITIVE.split()],
    "adjective": _words(ADJECTIVES, "adjective"),
    "manner": _words(MANNERS, "manner"),
    "time": _words(" ".join(dict.fromkeys(" ".join(TIMES.values()).split())), "time"),
    "preposition": _words(PREPOSITIONS, "preposition"),
    "numeral": _words(NUMERALS, "numeral"),
    "name": _words(NAMES, "name"),
    "conjunction": _words(CONJUNCTIONS, "conjunction"),
    "determiner": [
        Lexeme("the/determiner", "determiner", ("the", "the")),
        Lexeme("a/determiner", "determiner", ("a", "")),
        Lexeme("this/determiner", "determiner", ("this", "these")),
        Lexeme("that/determiner", "determiner", ("that", "those")),
    ],
    "pronoun": [
        Lexeme(f"{subject}/pronoun", "pronoun", (subject, other, possessive), person, plural)
        for subject, (other, possessive, person, plural) in PRONOUNS.items()
    ],
    "who": [Lexeme("who/pronoun", "who", ("who", "whom", "whose"))],
    "be": [Lexeme("be/verb", "verb", ("be", "is", "was"))],
}
BE = LEXICON["be"][0]
WHO = LEXICON["who"][0]
THE, A, THIS, THAT = LEXICON["determiner"]


class Urn:
    """Draws lexemes of one group by weight; every topic has its own weights."""

    def __init__(self, group: str) -> None:
        self.lexemes = LEXICON[group]
        # the frequency and the topics of a word do not depend on the seed of the sentences
        world = Random(f"world/{group}")
        order = list(range(len(self.lexemes)))
        world.shuffle(order)
        frequency = [1.0 / (rank + 3) ** ZIPF_EXPONENT for rank in order]
        homes = [world.sample(range(TOPICS), 2) for _ in order]
        self.cumulative = []
        for topic in range(TOPICS):
            boosts = [HOME_TOPIC_BOOST if topic in home else 1.0 for home in homes]
            self.cumulative.append(list(accumulate(map(mul, frequency, boosts))))

    def draw(self, rng: Random, topic: int) -> Lexeme:
        """A random lexeme of the group, by the weights of a topic."""
        cumulative = self.cumulative[topic]
        return self.lexemes[bisect(cumulative, rng.random() * cumulative[-1])]


URNS = {group: Urn(group) for group in LEXICON}
NOUN_GROUPS = tuple(NOUNS)
VERB_GROUPS = tuple(f"transitive {kind}" for kind in TRANSITIVE)
TIME_WORDS = {
    tense: [lexeme for lexeme in LEXICON["time"] if lexeme.forms[0] in text.split()] for tense, text in TIMES.items()
}


def draw_sentence(rng: Random) -> Sentence:
    """One random sentence tree."""
    topic = int(rng.random() * TOPICS)
    kind = rng.random()
    if kind < 0.12:
        return Sentence(_draw_clause(rng, topic), question=True)
    if kind < 0.16:
        return Sentence(_draw_clause(rng, topic)._replace(subject=NounPhrase(WHO)), question=True)
    if kind < 0.30:
        conjunction = LEXICON["conjunction"][int(rng.random() * len(LEXICON["conjunction"]))]
        return Sentence(_draw_clause(rng, topic), False, conjunction, _draw_clause(rng, topic))
    return Sentence(_draw_clause(rng, topic))


def _draw_clause(rng: Random, topic: int, subject: NounPhrase | None = None) -> Clause:
    """A random clause; with ``subject`` it is a relative clause of that noun phrase, and short."""
    short = subject is not None
    tense = TENSES[bisect((0.45, 0.85), rng.random())]
    negative = rng.random() < 0.13
    chance = rng.random()
    theme = place = recipient = predicate = None
    if chance < 0.14:
        subject = subject or _draw_noun_phrase(rng, topic, NOUN_GROUPS[int(rng.random() * len(NOUN_GROUPS))])
        return Clause(subject, BE, tense, negative, predicate=URNS["adjective"].draw(rng, topic))
    subject = subject or _draw_noun_phrase(rng, topic, "person" if rng.random() < 0.75 else "animal")
    if chance < 0.36:
        verb = URNS["intransitive"].draw(rng, topic)
    elif chance < 0.48:
        verb = URNS["ditransitive"].draw(rng, topic)
        theme = _draw_noun_phrase(rng, topic, ("thing", "text", "food")[int(rng.random() * 3)], nested=short)
        recipient = _draw_noun_phrase(rng, topic, "person", nested=True)
    else:
        group = VERB_GROUPS[int(rng.random() * len(VERB_GROUPS))]
        verb = URNS[group].draw(rng, topic)
        kind = group.removeprefix("transitive ")
        kind = NOUN_GROUPS[int(rng.random() * len(NOUN_GROUPS))] if kind == "any" else kind
        theme = _draw_noun_phrase(rng, topic, kind, nested=short)
    manner = URNS["manner"].draw(rng, topic) if rng.random() < 0.12 else None
    if not short and rng.random() < (0.5 if theme is None else 0.2):
        preposition = URNS["preposition"].draw(rng, topic)
        kind = "person" if preposition.forms[0] in ("with", "without", "for") else "place"
        place = (preposition, _draw_noun_phrase(rng, topic, kind, nested=True))
    time = None
    if not short and rng.random() < 0.18:
        time = TIME_WORDS[tense][int(rng.random() * len(TIME_WORDS[tense]))]
    return Clause(subject, verb, tense, negative, theme, recipient, predicate, manner, place, time)


def _draw_noun_phrase(rng: Random, topic: int, group: str, nested: bool = False) -> NounPhrase:
    """A random noun phrase with a head of ``group``; ``nested``: without relative clause and possessor phrase."""
    chance = rng.random()
    if group == "person" and chance < 0.28:
        if chance < 0.08:
            return NounPhrase(URNS["name"].draw(rng, topic))
        pronoun = LEXICON["pronoun"][int(rng.random() * len(PRONOUNS))]
        return NounPhrase(pronoun, pronoun.plural)
    head = URNS[group].draw(rng, topic)
    plural = rng.random() < 0.3
    numeral = URNS["numeral"].draw(rng, topic) if plural and rng.random() < 0.3 else None
    adjectives: tuple[Lexeme, ...] = ()
    if rng.random() < 0.35:
        adjectives = (URNS["adjective"].draw(rng, topic),)
    chance = rng.random()
    determiner = possessor = None
    if chance < 0.10:
        pronoun = LEXICON["pronoun"][int(rng.random() * len(PRONOUNS))]
        possessor = NounPhrase(pronoun, pronoun.plural)
    elif chance < 0.18 and not nested:
        possessor = _draw_noun_phrase(rng, topic, "person", nested=True)
    else:
        determiner = THE if chance < 0.55 else A if chance < 0.88 else THIS if chance < 0.94 else THAT
    phrase = NounPhrase(head, plural, determiner, adjectives, numeral, possessor)
    if group in ("person", "animal") and not nested and possessor is None and rng.random() < 0.12:
        return phrase._replace(relative=_draw_clause(rng, topic, subject=phrase))
    return phrase


def english(sentence: Sentence) -> str:
    """The sentence in English, lower case, with its full stop or question mark."""
    words = english_clause(sentence.clause, sentence.question)
    if sentence.second is not None and sentence.conjunction is not None:
        words += [sentence.conjunction.forms[0], *english_clause(sentence.second)]
    for i, word in enumerate(words):
        if word == "a" and words[i + 1][0] in "aeiou":
            words[i] = "an"
    return " ".join(words) + ("?" if sentence.question else ".")


def english_clause(clause: Clause, question: bool = False, with_subject: bool = True) -> list[str]:
    """The words of a clause in English."""
    subject = clause.subject
    who = subject.head is WHO
    finite, rest = _english_verb(clause, subject, inverted=question and not who)
    words = english_noun_phrase(subject, 0) if with_subject else []
    words = [*finite, *words] if question and not who else words + finite
    words += rest
    if clause.predicate is not None:
        words.append(clause.predicate.forms[0])
    if clause.object is not None:
        words += english_noun_phrase(clause.object, 1)
    if clause.recipient is not None:
        words += ["to", *english_noun_phrase(clause.recipient, 1)]
    if clause.manner is not None:
        words.append(clause.manner.forms[0])
    if clause.place is not None:
        words += [clause.place[0].forms[0], *english_noun_phrase(clause.place[1], 1)]
    if clause.time is not None:
        words.append(clause.time.forms[0])
    return words


def _english_verb(clause: Clause, subject: NounPhrase, inverted: bool) -> tuple[list[str], list[str]]:
    """The English words of a clause's verb, in two lists: the finite word, which questions put first, and the rest."""
    person, plural = subject.head.person, subject.plural
    third = person == 3 and not plural
    base, present, past = clause.verb.forms
    negation = ["not"] if clause.negative else []
    if clause.tense == "future":
        return ["will"], [*negation, base]
    if clause.verb is BE:
        return [english_be(clause.tense, person, plural)], negation
    if inverted or clause.negative:
        do = "did" if clause.tense == "past" else "does" if third else "do"
        return [do], [*negation, base]
    return [past if clause.tense == "past" else present if third else base], []


def english_be(tense: str, person: int, plural: bool) -> str:
    """The form of "be" in the present or past tense."""
    many = plural or person == 2
    if tense == "past":
        return "were" if many else "was"
    return "are" if many else "am" if person == 1 else "is"


def english_noun_phrase(phrase: NounPhrase, form: int) -> list[str]:
    """The words of a noun phrase in English; ``form`` of a pronoun: 0 subject, 1 object, 2 possessive."""
    head = phrase.head
    if head.kind in ("pronoun", "who"):
        return [head.forms[form]]
    if head.kind == "name":
        return [head.forms[0]]
    words: list[str] = []
    if phrase.possessor is not None:
        words = english_noun_phrase(phrase.possessor, 2)
        if phrase.possessor.head.kind != "pronoun":
            words[-1] += "'" if phrase.possessor.plural and words[-1].endswith("s") else "'s"
    elif phrase.determiner is not None and phrase.determiner.forms[phrase.plural]:
        words = [phrase.determiner.forms[phrase.plural]]
    if phrase.numeral is not None:
        words.append(phrase.numeral.forms[0])
    words += [adjective.forms[0] for adjective in phrase.adjectives]
    words.append(head.forms[phrase.plural])
    if phrase.relative is not None:
        words += ["that", *english_clause(phrase.relative, with_subject=False)]
    return words


def normalised(text: str) -> str:
    """The letters and digits of a sentence, case folded. Sentences with the same value count as the same."""
    return "".join(filter(str.isalnum, text.casefold()))


def draw_distinct(rng: Random, count: int, forbidden: Set[str]) -> list[tuple[Sentence, str]]:
    """``count`` random sentences with their English, all different, none in ``forbidden`` (as ``normalised`` texts)."""
    seen: set[str] = set()
    drawn: list[tuple[Sentence, str]] = []
    while len(drawn) < count:
        sentence = draw_sentence(rng)
        text = english(sentence)
        key = normalised(text)
        if key not in seen and key not in forbidden:
            seen.add(key)
            drawn.append((sentence, text))
    return drawn
