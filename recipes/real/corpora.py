"""The corpora of the real-text experiment, from folders of text packs: a manifest, word lists and monolingual text.

    python -m recipes.real.corpora --packs PACKS --out OUT

PACKS holds the folders bible, gnome, tatoeba, ntrex, wmt and muse-dict; OUT/manifest.yaml names their files, OUT/dict
and OUT/mono link to them.

``ro_100`` has the text of ``ro`` and no word list. It is there to try what 100 pairs alone can do.

A source is one language in one domain, as a target is: ``de`` (Bible and desktop help), ``de_tatoeba``, ``de_news``. So
the temperature of sampling weighs domains as it weighs languages; in one text with the Bible everyday sentences would
be a twentieth. News of sources are newstests of other years than those of the targets.

The dev and test sets of a target are of the domain of its sample, too: Bible targets have the language's own code.
Tatoeba targets are ``ro_tatoeba`` (Turkish, of no Bible: ``tr``); their last 1,000 lines are the test set, the 500
before them dev. News targets are ``ro_news``: a quarter of NTREX's documents is dev, the others are trained on, and the
test set is the official newstest, as in Gu et al. 2018 (MetaNMT).
"""

import zlib
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.text_files import read_lines

SOURCES = "bg cs da de el es et fr hr hu it nl no pl pt ru sv".split()
VALID = "sl"  # not of Tatoeba: that file is mostly Slovak
BIBLE_TARGETS = "ro lv fi ko zu".split()
TATOEBA_TARGETS = {"ro_tatoeba": "ro", "fi_tatoeba": "fi", "tr": "tr"}  # lv and ko have no 16,000 tokens there
TEST_LINES, VALID_LINES = 1000, 500
NEWS_SOURCES = "cs de es fr hu it pl ru".split()  # all of their newstests, of the years 2009, 2013, 2014 and 2020
NEWS_TARGETS = {"ro": 2016, "lv": 2017, "fi": 2017, "tr": 2017}  # the newstest
FEW = "_100"  # ends the code of a target without a word list, adapted to samples of about 100 pairs
PACKS = "bible, gnome, tatoeba, ntrex, wmt and muse-dict"
LICENCE = "see the pack"


def entry(name: str, kind: str, lang: str, *paths: Path, split: str = "all") -> dict[str, Any]:
    """One corpus of the manifest."""
    path = [str(path.resolve()) for path in paths]
    return {"name": name, "kind": kind, "languages": [lang, "en"], "split": split, "path": path, "licence": LICENCE}


def packs_of(packs: Path, lang: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The packs that a language is in."""
    found = []
    for name in names:
        own = packs / name / (f"{lang}-en.tsv.gz" if name == "tatoeba" else f"{lang}.tsv.gz")
        if not own.is_file():
            continue
        if name == "tatoeba":
            found.append(entry(f"{name}-{lang}", "tsv", lang, own))
        else:
            found.append(entry(f"{name}-{lang}", "id-tsv", lang, own, packs / name / "en.tsv.gz"))
    if not found:
        raise InputError(f"{packs}: must have {lang} in {' or '.join(names)}, but has not")
    return found


def split_tatoeba(packs: Path, lang: str) -> dict[str, list[str]]:
    """split -> lines ``X<TAB>English``: the last ones are held out."""
    lines = read_lines(packs / "tatoeba" / f"{lang}-en.tsv.gz")
    valid, test = len(lines) - VALID_LINES - TEST_LINES, len(lines) - TEST_LINES
    return {"train": lines[:valid], "valid": lines[valid:test], "test": lines[test:]}


def split_news(packs: Path, lang: str) -> dict[str, list[str]]:
    """The same: NTREX by document, a quarter of them for dev, and the newstest."""
    own, english = (read_lines(packs / "ntrex" / f"{code}.tsv.gz") for code in (lang, "en"))
    translation = dict(line.split("\t") for line in english)
    sets: dict[str, list[str]] = {"train": [], "valid": []}
    for line in own:
        key, text = line.split("\t")
        document = key.rpartition(".")[0]
        sets["train" if zlib.crc32(document.encode()) % 4 else "valid"].append(f"{text}\t{translation[key]}")
    return sets | {"test": read_lines(packs / "wmt" / f"{lang}-en" / f"newstest{NEWS_TARGETS[lang]}.tsv.gz")}


def write_sets(out: Path, code: str, sets: dict[str, list[str]]) -> list[dict[str, Any]]:
    """A target's sets as files of their own, so that one manifest can hold them beside corpora that are split by id."""
    entries = []
    for split, lines in sets.items():
        path = out / code / f"{split}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line + "\n" for line in lines), "utf-8")
        entries.append(entry(f"{code}-{split}", "tsv", code, path, split=split))
    return entries


def link(path: Path, to: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(to.resolve())


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.real.corpora", description=main.__doc__)
    parser.add_argument("--packs", type=Path, required=True, metavar="DIR", help=PACKS)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the manifest and the links go")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest, and links to word lists and monolingual text, of the experiment on real text."""
    args = parse_args(argv)
    packs, out = args.packs, args.out
    needed = [packs / "muse-dict", packs / "ntrex" / "en.tsv.gz"]
    needed += [packs / "tatoeba" / f"{lang}-en.tsv.gz" for lang in TATOEBA_TARGETS.values()]
    needed += [packs / "ntrex" / f"{lang}.tsv.gz" for lang in NEWS_TARGETS]
    needed += [packs / "wmt" / f"{lang}-en" / f"newstest{year}.tsv.gz" for lang, year in NEWS_TARGETS.items()]
    corpora = []
    for lang in SOURCES:
        corpora += packs_of(packs, lang, ("bible", "gnome"))
    # only training text: its split is given, as the ids that split the Bible are not in it
    domains = {f"{lang}_tatoeba": [packs / "tatoeba" / f"{lang}-en.tsv.gz"] for lang in SOURCES}
    domains |= {f"{lang}_news": sorted((packs / "wmt" / f"{lang}-en").glob("*.tsv.gz")) for lang in NEWS_SOURCES}
    for code, paths in domains.items():
        corpora += [entry(f"{code}-{number}", "tsv", code, path, split="train") for number, path in enumerate(paths)]
        link(out / "mono" / f"{code}.tsv.gz", packs / "bible" / f"{code.partition('_')[0]}.tsv.gz")
    corpora += packs_of(packs, VALID, ("bible", "gnome"))
    for lang in BIBLE_TARGETS:
        corpora += packs_of(packs, lang, ("bible",))
    for path in needed:  # before anything is written
        if not path.exists():
            raise InputError(f"{path}: must exist, but does not")
    for code, lang in TATOEBA_TARGETS.items():
        corpora += write_sets(out, code, split_tatoeba(packs, lang))
        if code != lang:  # `tr` has no Bible
            link(out / "mono" / f"{code}.tsv.gz", packs / "bible" / f"{lang}.tsv.gz")
    for lang in NEWS_TARGETS:  # their vectors come from all text of the language
        corpora += write_sets(out, f"{lang}_news", split_news(packs, lang))
        mono = {f"{lang}_news.tsv.gz": f"bible/{lang}.tsv.gz", f"{lang}_news-en.tsv.gz": f"tatoeba/{lang}-en.tsv.gz"}
        for name, pack in mono.items():
            if (packs / pack).exists():
                link(out / "mono" / name, packs / pack)
    codes = {lang: lang for lang in [*SOURCES, VALID, *BIBLE_TARGETS]} | TATOEBA_TARGETS
    codes |= {code: code.partition("_")[0] for code in domains}
    for code, lang in (codes | {f"{lang}_news": lang for lang in NEWS_TARGETS}).items():
        for path in (packs / "muse-dict").glob(f"{lang}-en.*.tsv.gz"):
            link(out / "dict" / path.name.replace(f"{lang}-en", f"{code}-en"), path)
    for code in [*BIBLE_TARGETS, *TATOEBA_TARGETS, *(f"{lang}_news" for lang in NEWS_TARGETS)]:
        same = [item for item in corpora if item["languages"][0] == code]
        renamed = [{"name": item["name"] + FEW, "languages": [code + FEW, "en"]} for item in same]
        corpora += [item | names | {"path": [*item["path"]]} for item, names in zip(same, renamed, strict=True)]
        for path in [*(out / "mono").glob(f"{code}.*"), *(out / "mono").glob(f"{code}-*")]:
            link(path.with_name(path.name.replace(code, code + FEW, 1)), path)
    out.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"about": "real text, many languages to English", "corpora": corpora}, allow_unicode=True)
    (out / "manifest.yaml").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.real.corpora"))
