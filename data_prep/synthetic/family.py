"""The embedded family of languages: parallel and monolingual text generated from a small grammar, offline.

    python -m data_prep synthetic --out DIR

writes, in the layouts that meta-nmt-preprocess reads,

    DIR/<xx>-en.tsv                            source languages: X<TAB>English
    DIR/<xx>-en/{train,valid,test}.{xx,en}     meta-validation and target languages, line-aligned
    DIR/mono/<xx>.txt, DIR/mono/en.txt         monolingual text, a sentence a line
    DIR/dict/<xx>-en.txt                       word lists, incomplete on purpose, frequent words first
    DIR/languages.json                         role and parameters of every language

The same options give the same bytes. Dev and test sentences are in no other English text of the family.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tqdm import tqdm

from data_prep.base.command_line import OneLineParser, run_command, writable_directory
from data_prep.base.errors import InputError
from data_prep.base.files import write_json, write_lines
from data_prep.synthetic.grammar import Sentence, draw_distinct, normalised
from data_prep.synthetic.languages import LANGUAGES, Language, Realiser

VALID_LINES = 300
TEST_LINES = 500
DICTIONARY_COVERAGE = 0.6  # share of the English words that a word list knows
DICTIONARY_MIN_COUNT = 3  # a word list knows frequent words only

Pairs = list[tuple[Sentence, str]]  # sentence trees with their English


def held_out(seed: int) -> dict[str, Pairs]:
    """The dev sentences and then the test sentences of every valid and target language, by code.

    They do not depend on the languages that are to be written.
    """
    drawn: dict[str, Pairs] = {}
    forbidden: set[str] = set()
    for language in LANGUAGES.values():
        if language.role != "source":
            rng = Random(f"{seed}/{language.code}/held out")
            drawn[language.code] = draw_distinct(rng, VALID_LINES + TEST_LINES, forbidden)
            forbidden.update(normalised(text) for _, text in drawn[language.code])
    return drawn


def word_list(realiser: Realiser) -> list[str]:
    """The lines ``x_word english_word`` of a word list: words that the realiser used, most frequent first.

    Rare words are left out, and of the others a share of 1 - DICTIONARY_COVERAGE of the English words.
    """
    known = Random(f"word list/{realiser.language.code}")
    english_words = sorted({word for _, word in realiser.usage})
    kept = {word for word in english_words if known.random() < DICTIONARY_COVERAGE}
    ranked = sorted(realiser.usage.items(), key=lambda item: (-item[1], item[0]))
    return [f"{x} {word}" for (x, word), count in ranked if word in kept and count >= DICTIONARY_MIN_COUNT]


def write_language(
    out: Path, language: Language, sentences: int, mono_sentences: int, seed: int, held: dict[str, Pairs]
) -> None:
    """Write all files of one language into the folder ``out``; ``held``: dev and test sentences of all languages."""
    code, realiser = language.code, Realiser(language)
    forbidden = {normalised(text) for pairs in held.values() for _, text in pairs}
    train = draw_distinct(Random(f"{seed}/{code}/train"), sentences, forbidden)
    mono = draw_distinct(Random(f"{seed}/{code}/mono"), mono_sentences, forbidden)
    train_x = [realiser.sentence(tree) for tree, _ in train]
    write_lines(out / "mono" / f"{code}.txt", [realiser.sentence(tree) for tree, _ in mono])
    write_lines(out / "dict" / f"{code}-en.txt", word_list(realiser))
    if language.role == "source":
        write_lines(out / f"{code}-en.tsv", [f"{x}\t{text}" for x, (_, text) in zip(train_x, train, strict=True)])
        return
    splits = {"train": train, "valid": held[code][:VALID_LINES], "test": held[code][VALID_LINES:]}
    for split, pairs in splits.items():
        write_lines(out / f"{code}-en" / f"{split}.{code}", [realiser.sentence(tree) for tree, _ in pairs])
        write_lines(out / f"{code}-en" / f"{split}.en", [text for _, text in pairs])


def generate(out: Path, codes: Sequence[str], sentences: int, mono_sentences: int, seed: int) -> None:
    """Write the corpora of the languages ``codes`` (see the head of this module) into the folder ``out``."""
    held = held_out(seed)
    for code in tqdm(codes, desc="languages", unit="language", disable=None):
        write_language(out, LANGUAGES[code], sentences, mono_sentences, seed, held)
    forbidden = {normalised(text) for pairs in held.values() for _, text in pairs}
    mono = draw_distinct(Random(f"{seed}/en/mono"), mono_sentences, forbidden)
    write_lines(out / "mono" / "en.txt", [text for _, text in mono])
    record = {code: LANGUAGES[code].record() for code in codes}
    write_json(out / "languages.json", record)


def language_list(text: str) -> list[str]:
    """The language codes of ``--languages``, each once; InputError if a code is unknown or there is none."""
    codes = list(dict.fromkeys(code for code in text.split(",") if code))
    unknown = [code for code in codes if code not in LANGUAGES]
    if unknown or not codes:
        raise InputError(f"--languages must name some of {','.join(LANGUAGES)}, but is {text!r}")
    return codes


def positive(text: str) -> int:
    """The whole number of at least 1 that a flag has; ArgumentTypeError if it is less."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {value}")
    return value


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m data_prep synthetic", description="Write the embedded family of languages.")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--languages", default=",".join(LANGUAGES), help="language codes, comma-separated")
    parser.add_argument("--sentences", type=positive, default=3000, help="training pairs per language")
    parser.add_argument("--mono-sentences", type=positive, default=5000, help="monolingual sentences a language")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sentences; the languages are fixed")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the embedded family of languages."""
    args = parse_args(argv)
    codes = language_list(args.languages)
    out = writable_directory(args.out, "--out")
    generate(out, codes, args.sentences, args.mono_sentences, args.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep synthetic"))
