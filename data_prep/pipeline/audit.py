"""Leakage audit of a finished data folder: no training line says what a dev or test line says.

The audit reads again the text that was binarised, and the monolingual text that vectors were made of. It compares match
keys themselves, not hashes of them as cleaning does. For every dev and test line of a target or meta-validation pair,
two rules hold. The English of the line is in the training text of no pair, and not in monolingual English. The other
side of the line is neither in the training text nor in the monolingual text of its language.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256
from data_prep.base.text_files import line_blocks
from data_prep.cleaning.clean_form import match_key
from data_prep.cleaning.split import HELD_OUT, SPLITS_OF_ROLE


@dataclass(frozen=True)
class Audited:
    """A language to audit, English too, in a data folder; ``roles``: the role of each language of the folder."""

    folder: DataFolder
    lang: str
    roles: Mapping[str, str]

    @property
    def english(self) -> str:
        """The code of the language translated into."""
        return self.folder.english

    def held_out(self, side: str) -> list[Path]:
        """The files of dev and test text of a side: those of this language, or for English those of all languages."""
        owners = self.roles if side == self.english else {self.lang: self.roles[self.lang]}
        return [
            self.folder.text(owner).file(split, side)
            for owner, role in owners.items()
            for split in SPLITS_OF_ROLE[role]
            if split in HELD_OUT
        ]

    def binarised(self, side: str) -> list[Path]:
        """The files of a side's training text, which was binarised; English as the audited language has none."""
        return [] if self.lang == self.english else self.folder.text(self.lang).training(side)

    def trained_on(self, side: str) -> list[Path]:
        """The files of a side that may hold no dev or test line: training text, and the language's monolingual text."""
        mono = self.folder.mono(side).texts if side == self.lang else ()
        return [*self.binarised(side), *(path for path in mono if path.is_file())]

    def sides(self) -> list[str]:
        """The sides to audit: that of the language, and English."""
        return [self.english] if self.lang == self.english else [self.lang, self.english]

    def files(self) -> list[Path]:
        """All files that the audit reads."""
        text_files = [path for side in self.sides() for path in [*self.held_out(side), *self.trained_on(side)]]
        return text_files if self.lang == self.english else [*text_files, self.folder.binary_record(self.lang)]


def audit(audited: Audited) -> dict[str, Any]:
    """Audit a language. The report holds counts, and the place of the first leaked line, if there is one.

    lines: training lines read.
    held_out: different dev and test lines.
    overlaps: training lines that say what a dev or test line says.
    first: file and line of the first overlap.

    InputError if the text is not what was binarised.
    """
    if audited.lang != audited.english:
        check_binarised(audited)
    report: dict[str, Any] = {"lines": 0, "held_out": 0, "overlaps": 0}
    for side in audited.sides():
        keys = {match_key(line) for path in audited.held_out(side) for _, line in numbered_lines(path)}
        report["held_out"] += len(keys)
        for path in audited.trained_on(side):
            for number, line in numbered_lines(path):
                report["lines"] += 1
                if match_key(line) in keys:
                    report["overlaps"] += 1
                    report.setdefault("first", f"{path}, line {number}")
    return report


def must_be_clean(reports: Sequence[dict[str, Any]]) -> None:
    """InputError if one of the reports of audits has an overlap."""
    for report in reports:
        if report["overlaps"]:
            raise InputError(f"{report['first']}: training text must not say what a dev or test line says, but does")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a clean file, which may be empty, with their numbers."""
    return enumerate(chain.from_iterable(line_blocks(path)) if path.stat().st_size else (), start=1)


def check_binarised(audited: Audited) -> None:
    """InputError unless the training text is what the record of the binarised data names, with the same hashes."""
    record = audited.folder.binary_record(audited.lang)
    named = dict(read_json(record)["inputs"])
    for side in audited.sides():
        for path in audited.binarised(side):
            if named.pop(path.name, None) != sha256(path):
                raise InputError(f"{path}: must be the text that was binarised ({record.name}), but differs")
    left = [name for name in named if name.startswith("train")]
    if left:
        raise InputError(f"{record}: names {left[0]}, which is missing")


def main(argv: Sequence[str] | None = None) -> int:
    """Check that no training line of a data folder is a dev or test line; exit status 2 if one is."""
    parser = OneLineParser(prog="python -m data_prep audit", description=main.__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="a data folder")
    args = parser.parse_args(argv)
    folder = DataFolder(args.data)
    roles = {lang: entry["role"] for lang, entry in folder.read_record()["languages"].items()}
    reports = []
    for lang in [*roles, folder.english]:
        report = audit(Audited(folder, lang, roles))
        reports.append(report)
        counts = f"{report['lines']:,} training lines, {report['overlaps']} of {report['held_out']:,} held-out lines"
        print(f"{lang}\t{counts}")
    must_be_clean(reports)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep audit"))
