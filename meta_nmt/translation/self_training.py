"""Self-training: an adapted model translates text of its language, and the adaptation is done again with these pairs.

He et al. 2020, "Revisiting Self-Training for Neural Sequence Generation" (ICLR 2020): the model's own translations,
beside the real pairs, make it better where there are few of the latter, and dropout is what makes it so. Here the
second adaptation begins where the first began. A third of the sentences that it reads are the sample's, repeated. And
the language is aligned anew, with all of these pairs.

    OUT/pairs.<xx>, OUT/pairs.<en>           the sample, then the model's own pairs, as text
    OUT/train.<xx>-<en>.<side>.bin and .idx  the same as the second adaptation reads them, binarised
    OUT/aligned.npy, OUT/aligned.json        the language's vectors, aligned with them, and what the pack's card says
    OUT/made_from.json                       the model, the sample, the number of lines and the seed
    OUT/cost.jsonl                           what the translation cost; written last
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.data_folder import DataFolder, PackFolder, sides_of
from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256, write_json, write_lines
from data_prep.cleaning.monolingual import FEWEST, Pairs, lines_beside_sample
from data_prep.packs.align import align_anew
from data_prep.packs.binarise import binarise
from meta_nmt.cards.verdict import loops
from meta_nmt.runs import cost
from meta_nmt.runs.run_folder import RunFolder
from meta_nmt.translation.export import export
from meta_nmt.translation.loaders import load_folder
from meta_nmt.translation.translator import Translator

LONGER = 2  # times the updates of the first adaptation
REAL_SHARE = 1 / 3  # of the sentences of the second adaptation
BEAM = 4


def own_pairs(translator: Translator, lines: Sequence[str]) -> Pairs:
    """The lines with their translations, without those that loop, are empty or are copies."""
    pairs = zip(lines, translator.translate(lines), strict=True)
    return [(line, text) for line, text in pairs if text and text != line and not loops(text)]


def mixed(real: Pairs, own: Pairs) -> Pairs:
    """All pairs, the real ones repeated so that they are about a third of them."""
    times = max(1, round(REAL_SHARE / (1 - REAL_SHARE) * len(own) / len(real)))
    return real * times + own


def make_pairs(
    data: str | Path,
    checkpoint: Path,
    lang: str,
    english: str,
    sample: str,
    most: int,
    seed: int,
    out: Path,
    command: str,
) -> dict[str, str]:
    """Write the pairs of the second adaptation into ``out``; returns the options of fine-tuning that take them.

    Args:
        checkpoint: adapted to ``lang`` on the data folder ``data``.
        sample: the split that it was adapted to.
        most: lines of monolingual text to translate.
        seed: of which lines these are.
        command: for the record of what it cost.

    No options where there would be less than FEWEST of the model's own pairs. What an earlier call has written stays;
    InputError where it was made from something else. A data folder of an earlier version, which has kept neither the
    vectors from before the alignment nor the word lists, keeps its alignment.
    """
    made_from = {"teacher": sha256(checkpoint), "sample": sample, "lines": most, "seed": seed}
    record = out / "made_from.json"
    if record.is_file() and (before := read_json(record)) != made_from:
        differ = ", ".join(name for name in made_from if before.get(name) != made_from[name])
        raise InputError(f"{out}: must be made from the same {differ}, but is from another; give another folder")
    stem, table = out / f"train.{lang}-{english}", out / "aligned.npy"
    if not RunFolder(out).costs.exists():  # it is written last
        folder, meter = DataFolder(data, english), cost.CostMeter("translate", command, out, str(checkpoint))
        real, lines = lines_beside_sample(folder, lang, sample, most, seed)
        own = translated(data, checkpoint, lang, english, lines) if len(lines) >= FEWEST else []
        if len(own) < FEWEST:
            return {}
        packs = folder.pack(lang), folder.pack(english)
        out.mkdir(parents=True, exist_ok=True)
        write_json(record, made_from)
        texts = out / f"pairs.{lang}", out / f"pairs.{english}"
        for column, (pack, text, side) in enumerate(zip(packs, texts, sides_of(stem, lang, english), strict=True)):
            write_lines(text, [pair[column] for pair in real + own])
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n") as repeated:
                repeated.writelines(pair[column] + "\n" for pair in mixed(real, own))
                repeated.flush()
                binarise(Path(repeated.name), pack, side)
        raw = folder.raw_vectors(lang)
        if raw.is_file() and (packs[0].words.is_file() or not _knows_word_lists(packs[0])):
            write_json(table.with_suffix(".json"), align_anew(packs[0], raw, packs[1], texts, table))
        cost.append(out, meter.record())
    return {"train_prefix": str(stem)} | ({"aligned_with": str(table)} if table.exists() else {})


def _knows_word_lists(pack: PackFolder) -> bool:
    """Whether the pack's alignment has words of lists in it, by its card."""
    return bool(read_json(pack.card).get("alignment", {}).get("anchors_by_kind", {}).get("dictionary"))


def translated(data: str | Path, checkpoint: Path, lang: str, english: str, lines: Sequence[str]) -> Pairs:
    """The pairs that an adapted checkpoint makes of lines."""
    with tempfile.TemporaryDirectory() as folder:
        export(data, checkpoint, lang, folder, target_lang=english, formats=("ctranslate2",))
        return own_pairs(load_folder(folder, beam=BEAM), lines)
