"""The layout of OUT/work, where meta-nmt-adapt from raw text keeps what it makes on the way to a translator.

WORK/job.json                            what it is made from; other input or flags start afresh
WORK/corpus/<xx>-<en>/<split>.<xx>, .<en>  the raw pairs, split
WORK/corpus/done                         a mark that these and the next two are whole
WORK/mono/<xx>.txt                       the monolingual text given
WORK/dictionaries/<xx>-<en>.txt          the word list given
WORK/data/                               a data folder of this one language, with its pack
WORK/runs/<s>/                           fine-tuning by strategy s (meta_nmt/runs/run_folder.py)
"""

from __future__ import annotations

from pathlib import Path

from meta_nmt.runs.run_folder import RunFolder


class WorkFolder:
    """OUT/work by its path and the two languages; nothing is read or written."""

    def __init__(self, path: Path, lang: str, english: str) -> None:
        self.path, self.lang, self.english = path, lang, english

    @property
    def record(self) -> Path:
        """What it is made from, and whether it is finished."""
        return self.path / "job.json"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.path / "data"

    @property
    def corpus(self) -> Path:
        """The folder of the raw pairs, as data_prep reads it."""
        return self.path / "corpus"

    def text(self, split: str) -> tuple[Path, Path]:
        """The two sides of a split of the raw pairs: the language's own, and English."""
        folder = self.corpus / f"{self.lang}-{self.english}"
        return folder / f"{split}.{self.lang}", folder / f"{split}.{self.english}"

    @property
    def written(self) -> Path:
        """The mark that all raw text is there."""
        return self.corpus / "done"

    @property
    def mono(self) -> Path:
        """The folder of the monolingual text."""
        return self.path / "mono"

    @property
    def mono_text(self) -> Path:
        """The monolingual text, a sentence a line; it may not be there."""
        return self.mono / f"{self.lang}.txt"

    @property
    def dictionaries(self) -> Path:
        """The folder of the word list."""
        return self.path / "dictionaries"

    @property
    def dictionary(self) -> Path:
        """The word list; it may not be there."""
        return self.dictionaries / f"{self.lang}-{self.english}.txt"

    def run(self, strategy: str) -> RunFolder:
        """The folder of fine-tuning by a strategy."""
        return RunFolder(self.path / "runs" / strategy)
