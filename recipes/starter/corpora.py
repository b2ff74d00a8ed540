"""The text of the starter, from folders of text packs: what may be given away, without the languages it is tested on.

    python -m recipes.starter.corpora --packs PACKS --out OUT

PACKS holds the folders bible, bible-world, tatoeba, gnome and ntrex. OUT/manifest.yaml names their files, OUT/mono
links to monolingual text, OUT/sources.txt holds the codes of the sources, and OUT/ATTRIBUTION.md says of every file who
made it and under which licence. The weights are an adaptation of all of them.

A Bible whose licence its pack marks with a dagger, or calls not certain, is left out: the README of a pack has a table
with the licence of each file, and it is read from there. Word lists are not used, since those at hand are not free.

As in recipes/real, a source is one language in one domain: ``de`` (Bible and desktop help), ``de_tatoeba`` (everyday
sentences), ``sk_ntrex`` (news).

A multi-parallel text has one English side, which every further language repeats, and a decoder that reads it too often
learns it by heart (docs/results/lab-book.md, entries 28 and 30). So a Bible of fewer than 10,000 verses, which is most
often the New Testament, is a source only where its family has no longer one in its script, or where the language has
other text too; and NTREX only where a language lacks a Bible or everyday sentences.
"""

from argparse import Namespace
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.text_files import read_lines
from recipes.real.corpora import entry, link

BIBLES = ("bible", "bible-world")
# Each is in no text of the starter, under none of its codes: Hausa, Tswana, Yoruba, Irish, Latvian, Turkish, Korean,
# Burmese, Hebrew, Tagalog, Armenian (both) and Finnish, of eight families and five scripts
TESTED = "ha hau tn tsn yo yor ga gle lv lav tr tur ko kor my mya he heb tl tgl hye hyw fi fin".split()
VALID = "sl ceb nde csy".split()  # Slavic, Philippine, Bantu, Kuki-Chin: for meta-validation, in no training text
LONG = 10_000  # verses; a New Testament has 7,900
SAME = {"lt": "lit"}  # code of other packs -> code of the Bible in that language
UNCLEAR = ("†", "no licence file", "not certain")  # in a README: the text is not given away
LICENCES = {
    "tatoeba": ("sentences of Tatoeba (tatoeba.org), as in the Tatoeba Translation Challenge", "CC BY 2.0 FR"),
    "gnome": ("GNOME user documentation (gnome-user-docs), its translators", "CC BY-SA 3.0"),
    "ntrex": ("NTREX-128, Microsoft", "CC BY-SA 4.0"),
}
ABOUT = """\
# Text that the weights were trained on

The weights in this folder are given under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/). They were
trained on the texts below, changed as data_prep does: cleaned, split, cut into pieces. The English side of the Bibles
is the New Heart English Bible (public domain)."""


@dataclass(frozen=True)
class Work:
    """A file of text: who made it, and under which licence it is given."""

    path: Path
    lang: str
    what: str
    licence: str


@dataclass(frozen=True)
class Bible(Work):
    """A Bible: its number of verses, and the family and the script of its language."""

    verses: int
    family: str
    script: str


def table_of(readme: Path) -> list[dict[str, str]]:
    """The rows of the table of files in the README of a pack, by the names of its columns."""
    rows: list[list[str]] = []
    for line in read_lines(readme):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == "file" or (rows and line.startswith("|")):
            rows.append(cells)
        elif rows:
            break
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise InputError(f"{readme}: must have a table of its files, as broad as its head, but has not")
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def bibles(packs: Path) -> dict[str, Bible]:
    """Code of the language -> its Bible, of those that may be given away."""
    found = {}
    for pack in BIBLES:
        readme = packs / pack / "README.md"
        notes = {line[2:].partition(":")[0]: line for line in read_lines(readme) if line.startswith("- ")}
        for row in table_of(readme):
            code, licence = row["file"].partition(".")[0], row["licence as quoted"]
            if any(word in licence + notes.get(code, "") for word in UNCLEAR):
                continue
            what = f"{row['language']}: {row['translation']}; {row['source path']}"
            verses = int(row["verses (all are in en)"].replace(",", ""))
            # "Indo-European, Slavic"; the pack bible names none, so each Bible of it has a family of its own, and stays
            family, script = row.get("family", f"{pack}: {code}").partition(",")[0], row.get("script", "")
            found[code] = Bible(packs / pack / row["file"], code, what, licence, verses, family, script)
    return found


def chosen(bible_of: Mapping[str, Bible], elsewhere: Container[str]) -> dict[str, Bible]:
    """The Bibles that become sources: the long ones, those of languages with text ``elsewhere``, and some short ones.

    Of the short ones those stay that are the longest of their family in their script.
    """
    longest: dict[tuple[str, str], Bible] = {}
    for bible in sorted(bible_of.values(), key=lambda bible: (-bible.verses, bible.lang)):
        longest.setdefault((bible.family, bible.script), bible)
    return {
        code: bible
        for code, bible in bible_of.items()
        if bible.verses >= LONG or code in elsewhere or bible is longest[bible.family, bible.script]
    }


def others(packs: Path, with_bible: Container[str]) -> list[tuple[str, Work]]:
    """Pack and file of all other text, without languages that the starter is tested or validated on.

    NTREX is left out for languages that are in ``with_bible`` and have everyday sentences.
    """
    found: list[tuple[str, Work]] = []
    everyday = {path.name.removesuffix("-en.tsv.gz") for path in (packs / "tatoeba").glob("*-en.tsv.gz")}
    for pack, (what, licence) in LICENCES.items():
        for path in sorted((packs / pack).glob("*.tsv.gz")):
            code = path.name.partition(".")[0].removesuffix("-en")
            lang = SAME.get(code, code)
            enough = pack == "ntrex" and lang in with_bible and code in everyday
            if code not in ["en", *TESTED, *VALID] and not enough:
                found.append((pack, Work(path, lang, f"{code}: {what}", licence)))
    return found


def corpus(name: str, lang: str, work: Work, *english: Path, split: str) -> dict[str, Any]:
    """An entry of the manifest, for a file of pairs or for one whose ids are those of ``english``."""
    kind = "id-tsv" if english else "tsv"
    return entry(name, kind, lang, work.path, *english, split=split) | {"licence": work.licence}


def listed(packs: Path) -> tuple[list[dict[str, Any]], list[Work]]:
    """The corpora, and the works whose text is in them."""
    bible_of = {code: bible for code, bible in bibles(packs).items() if code not in [*TESTED, "en", "en-bbe"]}
    more = others(packs, bible_of)
    valid = {code: bible_of.pop(code) for code in VALID if code in bible_of}
    bible_of = chosen(bible_of, {work.lang for _, work in more}) | valid
    english = packs / "bible" / "en.tsv.gz"
    corpora = [corpus(f"bible-{lang}", lang, work, english, split="all") for lang, work in bible_of.items()]
    for pack, work in more:
        ids = [] if pack == "tatoeba" else [packs / pack / "en.tsv.gz"]
        # desktop help is short of text for a source of its own, so it goes to the Bible where there is one
        whole = pack == "gnome" and work.lang in bible_of
        lang = work.lang if whole else f"{work.lang}_{pack}"
        # only training text: its split is given, as the ids that split the Bible are not in it
        corpora.append(corpus(f"{pack}-{work.lang}", lang, work, *ids, split="all" if whole else "train"))
    return corpora, [*bible_of.values(), *(work for _, work in more)]


def monolingual(corpora: Sequence[Mapping[str, Any]]) -> dict[str, Path]:
    """Name of a link -> file: what there is of the same language in other domains, for the vectors of a source."""
    found = {}
    for item in corpora:
        lang, _, domain = item["languages"][0].partition("_")
        for other in corpora:
            if domain and other is not item and other["languages"][0].partition("_")[0] == lang:
                name = item["languages"][0] + ("-en" if other["kind"] == "tsv" else "")
                found.setdefault(f"{name}.tsv.gz", Path(other["path"][0]))
    return found


def attribution(works: Sequence[Work]) -> str:
    """The text of ATTRIBUTION.md."""
    rows = [f"| {work.lang} | {work.what} | {work.licence} |".replace(" †", "") for work in works]
    return "\n".join([ABOUT, "", "| language | text | licence, as its source quotes it |", "|---|---|---|", *rows, ""])


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.starter.corpora", description=main.__doc__)
    parser.add_argument("--packs", type=Path, required=True, metavar="DIR", help="bible, bible-world, tatoeba, ...")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the manifest and the links go")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest, links to monolingual text, the codes and the attribution of the starter's text."""
    args = parse_args(argv)
    for path in [*(args.packs / pack / "README.md" for pack in BIBLES), *(args.packs / pack for pack in LICENCES)]:
        if not path.exists():
            raise InputError(f"{path}: must exist, but does not")
    corpora, works = listed(args.packs)
    sources = sorted({item["languages"][0] for item in corpora} - {*VALID})
    missing = {*VALID} - {item["languages"][0] for item in corpora}
    if missing:
        raise InputError(f"{args.packs}: must have {', '.join(sorted(missing))} for meta-validation, but has not")
    args.out.mkdir(parents=True, exist_ok=True)
    for name, path in monolingual(corpora).items():
        link(args.out / "mono" / name, path)
    text = yaml.safe_dump({"about": "text that may be given away", "corpora": corpora}, allow_unicode=True)
    (args.out / "manifest.yaml").write_text(text, "utf-8")
    (args.out / "sources.txt").write_text(",".join(sources) + "\n", "utf-8")
    (args.out / "ATTRIBUTION.md").write_text(attribution(works), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.starter.corpora"))
