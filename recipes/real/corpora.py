"""The corpora of the real-text experiment, from folders of text packs: a manifest, word lists and monolingual text.

    python -m recipes.real.corpora --packs PACKS --out OUT

PACKS holds the folders bible, gnome, tatoeba and muse-dict; OUT/manifest.yaml names their files, OUT/dict and OUT/mono
link to them. A source language is trained on all the packs that it is in. A target is one language in one pack, so that
its dev and test sets are of the domain of its sample: Bible targets have the language's own code, Tatoeba targets
``ro_tatoeba`` (Turkish, in one pack only: ``tr``). Their last 1,000 lines are the test set, the 500 before them dev.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from data_prep.errors import InputError, OneLineParser, run_command
from data_prep.readers import read_lines

SOURCES = "bg cs da de el es et fr hr hu it nl no pl pt ru sv".split()
VALID = "sl"  # not of Tatoeba: that file is mostly Slovak
BIBLE_TARGETS = "ro lv fi ko zu".split()
TATOEBA_TARGETS = {"ro_tatoeba": "ro", "fi_tatoeba": "fi", "tr": "tr"}  # lv and ko have no 16,000 tokens there
TEST_LINES, VALID_LINES = 1000, 500
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


def split_tatoeba(packs: Path, out: Path, code: str, lang: str) -> list[dict[str, Any]]:
    """A target's lines as files of their own, so that one manifest can hold sets split by id and by line."""
    lines = read_lines(packs / "tatoeba" / f"{lang}-en.tsv.gz")
    ends = {"train": len(lines) - VALID_LINES - TEST_LINES, "valid": len(lines) - TEST_LINES, "test": len(lines)}
    entries, start = [], 0
    for split, end in ends.items():
        path = out / code / f"{split}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line + "\n" for line in lines[start:end]), "utf-8")
        entries.append(entry(f"tatoeba-{code}-{split}", "tsv", code, path, split=split))
        start = end
    return entries


def link(path: Path, to: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(to.resolve())


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.real.corpora", description=main.__doc__)
    parser.add_argument("--packs", type=Path, required=True, metavar="DIR", help="bible, gnome, tatoeba and muse-dict")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the manifest and the links go")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest, and links to word lists and monolingual text, of the experiment on real text."""
    args = parse_args(argv)
    packs, out = args.packs, args.out
    needed = [packs / "muse-dict", *(packs / "tatoeba" / f"{lang}-en.tsv.gz" for lang in TATOEBA_TARGETS.values())]
    corpora = []
    for lang in SOURCES:
        corpora += packs_of(packs, lang, ("bible", "tatoeba", "gnome"))
    corpora += packs_of(packs, VALID, ("bible", "gnome"))
    for lang in BIBLE_TARGETS:
        corpora += packs_of(packs, lang, ("bible",))
    for path in needed:  # before anything is written
        if not path.exists():
            raise InputError(f"{path}: must exist, but does not")
    for code, lang in TATOEBA_TARGETS.items():
        corpora += split_tatoeba(packs, out, code, lang)
        if code != lang:  # `tr` has no Bible
            link(out / "mono" / f"{code}.tsv.gz", packs / "bible" / f"{lang}.tsv.gz")
    codes = [(lang, lang) for lang in [*SOURCES, VALID, *BIBLE_TARGETS]] + list(TATOEBA_TARGETS.items())
    for code, lang in codes:
        for path in (packs / "muse-dict").glob(f"{lang}-en.*.tsv.gz"):
            link(out / "dict" / path.name.replace(f"{lang}-en", f"{code}-en"), path)
    out.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"about": "real text, many languages to English", "corpora": corpora}, allow_unicode=True)
    (out / "manifest.yaml").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.real.corpora"))
