"""Self-training: an adapted model translates text of its language, and the adaptation is done again with these pairs.

He et al. 2020, "Revisiting Self-Training for Neural Sequence Generation" (ICLR 2020): the model's own translations,
beside the real pairs, make it better where there are few of the latter, and dropout is what makes it so. Here the
second adaptation begins where the first began. A third of the sentences that it reads are the sample's, repeated.

    OUT/pairs.<xx>, OUT/pairs.<en>           the pairs of the second adaptation, as text
    OUT/train.<xx>-<en>.<side>.bin and .idx  the same, binarised
    OUT/cost.jsonl                           what the translation cost
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from data_prep.base.data_folder import DataFolder, files_of, sides_of
from data_prep.base.files import write_lines
from data_prep.base.text_files import read_lines
from data_prep.packs.binarise import binarise
from meta_nmt.runs import cost
from meta_nmt.translation.export import export
from meta_nmt.translation.loaders import load_folder
from meta_nmt.translation.loops import loops
from meta_nmt.translation.translator import Translator

FEWEST = 200  # of the model's own pairs: fewer are not worth a second adaptation
LONGER = 2  # times the updates of the first adaptation
REAL_SHARE = 1 / 3  # of the sentences of the second adaptation
BEAM = 4
Pairs = list[tuple[str, str]]  # X and English


def monolingual_lines(data: DataFolder, lang: str, without: Collection[str], most: int, seed: int) -> list[str]:
    """At most so many different lines of a language, in random order: those of the domain, then others.

    without: lines that are left out, such as those of the sample.
    """
    rng = random.Random(seed)
    left_out = set(without)
    lines: list[str] = []
    for path in data.mono(lang).texts:
        if len(lines) < most and path.is_file():
            new = [line for line in dict.fromkeys(read_lines(path)) if line not in left_out]
            rng.shuffle(new)
            lines += new[: most - len(lines)]
            left_out.update(lines)
    return lines


def own_pairs(translator: Translator, lines: Sequence[str]) -> Pairs:
    """The lines with their translations, without those that loop, are empty or are copies."""
    pairs = zip(lines, translator.translate(lines), strict=True)
    return [(line, text) for line, text in pairs if text and text != line and not loops(text)]


def mixed(real: Pairs, own: Pairs) -> Pairs:
    """All pairs, the real ones repeated so that they are about a third of them."""
    times = max(1, round(REAL_SHARE / (1 - REAL_SHARE) * len(own) / len(real)))
    return real * times + own


def make_pairs(
    data: str | Path, checkpoint: Path, lang: str, english: str, sample: str, most: int, seed: int, out: Path
) -> Path | None:
    """Write the pairs of the second adaptation into ``out``; returns what ``--train-prefix`` takes.

    None where they would have less than FEWEST of the model's own.

    Args:
        checkpoint: adapted to ``lang`` on the data folder ``data``.
        sample: the split that it was adapted to.
        most: lines of monolingual text to translate.
        seed: of which lines these are.

    What is there already is left as it is.
    """
    stem = out / f"train.{lang}-{english}"
    if all(path.exists() for path in files_of(stem, lang, english)):
        return stem
    folder, meter = DataFolder(data, english), cost.CostMeter("translate", "self-training", out, str(checkpoint))
    real = list(zip(*map(read_lines, folder.text(lang).sides(sample)), strict=True))
    lines = monolingual_lines(folder, lang, [source for source, _ in real], most, seed)
    if len(lines) < FEWEST:
        return None
    with tempfile.TemporaryDirectory() as translator:
        export(data, checkpoint, lang, translator, target_lang=english, formats=("ctranslate2",))
        own = own_pairs(load_folder(translator, beam=BEAM), lines)
    if len(own) < FEWEST:
        return None
    pairs = mixed(real, own)
    for column, (code, side) in enumerate(zip((lang, english), sides_of(stem, lang, english), strict=True)):
        text = out / f"pairs.{code}"
        write_lines(text, [pair[column] for pair in pairs])
        binarise(text, folder.pack(code), side)
    cost.append(out, meter.record())
    return stem
