"""Results: translations of a test set, read and scored.

A result is a folder with result.json, hypotheses.txt and references.txt, as meta-nmt-generate writes it. BLEU, chrF
and chrF++ are what `sacrebleu references.txt -i hypotheses.txt -m bleu chrf [--chrf-word-order 2]` prints, with
`--tokenize` as result.json says. A results file of meta-nmt-evaluate names the folders of its finished cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from data_prep.base.errors import InputError, fault_of
from data_prep.base.files import read_json
from meta_nmt import ledger
from meta_nmt.bleu_tokeniser import bleu_tokeniser

FIELDS = {
    "system": str,
    "target": str,
    "english_tokens": int,
    "strategy": str,
    "seed": int,
    "commands": list,
    "cost": list,
}
LATER_FIELDS = {"target_lang": str, "bleu_tokenizer": str}  # a result of an earlier version has none of them
COST_FIELDS = {"command": str, "kind": str, "run": str, "train_tokens": int, "wall_s": float,
               "peak_memory_mib": float, "device": str}  # fmt: skip
CHRF_STATISTICS = 3  # n-grams of the hypothesis, of the reference, of both, for each order
SYSTEM_ORDER = ("scratch", "transfer", "joint")  # the baselines come first, other systems after them by name
BASELINE = "joint"  # what other systems are tested against
STRATEGY_ORDER = ("zero", "emb", "emb_enc", "all", "self")


@dataclass(frozen=True)
class Result:
    """A scored translation of a test set. Scores are percentages."""

    system: str
    target: str
    english_tokens: int  # size of the low-resource sample
    strategy: str
    seed: int
    commands: list[str]
    cost: list[dict[str, Any]]
    hypotheses: Path
    references: Path
    bleu: float
    chrf: float
    chrf2: float  # chrF++
    signature: str
    chrf_signature: str
    chrf2_signature: str
    statistics: np.ndarray = field(repr=False, compare=False)  # (sentences, 10) sacreBLEU's counts for BLEU
    checkpoint: str | None = None
    data: str | None = None  # the data folder
    into: str = "en"  # code of the language translated into

    @property
    def name(self) -> tuple[str, str, int, str, int]:
        """What tells a result from all others: system, target, English tokens, strategy, seed."""
        return (self.system, self.target, self.english_tokens, self.strategy, self.seed)

    @property
    def cell(self) -> tuple[str, int, str]:
        """What systems are compared at: target, English tokens, strategy."""
        return (self.target, self.english_tokens, self.strategy)

    @property
    def order(self) -> tuple[Any, ...]:
        """The key that sorts results in a report."""
        return (
            self.target,
            self.english_tokens,
            rank(self.strategy, STRATEGY_ORDER),
            self.system_order,
            self.seed,
        )

    @property
    def system_order(self) -> tuple[int, str]:
        """The key that sorts systems: baselines first, others by name."""
        return rank(self.system, SYSTEM_ORDER)

    @property
    def sources(self) -> Path | None:
        """The file of the text that was translated; None where it does not lie beside the translation."""
        path = self.hypotheses.with_name("sources.txt")
        return path if path.is_file() else None


def rank(value: str, order: Sequence[str]) -> tuple[int, str]:
    """A key that sorts the values in ``order`` first, and others after them by name."""
    return (order.index(value) if value in order else len(order), value)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file as the sacrebleu command reads them: cut at line feeds only, no trailing space."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            return [line.rstrip() for line in file]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise InputError(f"{path}: must be a text file beside result.json: {error.strerror}") from error


def _check_fields(record: Any, fields: dict[str, type], where: str) -> None:
    if not isinstance(record, dict):
        raise InputError(f"{where}: must be a JSON object, but is a {type(record).__name__}")
    for name, kind in fields.items():
        if name not in record:
            raise InputError(f"{where}: must have the field {name!r}, but has none")
        allowed = (int, float) if kind is float else kind
        if not isinstance(record[name], allowed) or isinstance(record[name], bool):
            raise InputError(f"{where}: {name!r} must be of type {kind.__name__}, but is {record[name]!r}")


def read_result(path: Path, tokeniser: str = "") -> Result:
    """Read and score one result.json with the text files beside it.

    Args:
        tokeniser: sacreBLEU's tokeniser for BLEU; "" stands for what result.json says, or else that of the language
            translated into.

    Raises:
        InputError: a field or file is missing or malformed, or hypotheses and references differ in number, or sacreBLEU
            has no such tokeniser.
    """
    record = read_json(path)
    _check_fields(record, FIELDS, str(path))
    _check_fields(record, {name: kind for name, kind in LATER_FIELDS.items() if name in record}, str(path))
    for cost in record["cost"]:
        _check_fields(cost, COST_FIELDS, f"{path}, cost")
    hypotheses, references = path.parent / "hypotheses.txt", path.parent / "references.txt"
    translated, expected = read_lines(hypotheses), read_lines(references)
    if len(translated) != len(expected) or not expected:
        raise InputError(
            f"{hypotheses}: must have as many lines as {references.name} ({len(expected)}, at least 1), "
            f"but has {len(translated)}"
        )
    into = record.get("target_lang", "en")
    scores = score(translated, expected, bleu_tokeniser(into, tokeniser or record.get("bleu_tokenizer", "")))
    return Result(
        **{name: record[name] for name in FIELDS},
        hypotheses=hypotheses,
        references=references,
        **scores,
        checkpoint=record.get("checkpoint"),
        data=record.get("data"),
        into=into,
    )


def score(translated: Sequence[str], expected: Sequence[str], tokeniser: str) -> dict[str, Any]:
    """BLEU, chrF and chrF++ with their signatures, and the statistics of BLEU for each sentence.

    They equal what `corpus_score` of each gives, but take one pass over the n-grams: chrF's statistics are the first of
    chrF++'s. ``tokeniser``: sacreBLEU's, of BLEU.
    """
    bleu, chrf, chrf2 = BLEU(tokenize=tokeniser), CHRF(), CHRF(word_order=2)
    statistics = bleu._extract_corpus_statistics(translated, [expected])
    grams = np.array(chrf2._extract_corpus_statistics(translated, [expected])).sum(axis=0).tolist()
    chrf.corpus_score(translated[:1], [expected[:1]])  # chrF's signature is complete only after a score
    return {
        "bleu": bleu._aggregate_and_compute(statistics).score,
        "chrf": chrf._compute_score_from_stats(grams[: CHRF_STATISTICS * chrf.char_order]).score,
        "chrf2": chrf2._compute_score_from_stats(grams).score,
        "signature": bleu.get_signature().format(),
        "chrf_signature": chrf.get_signature().format(),
        "chrf2_signature": chrf2.get_signature().format(),
        "statistics": np.array(statistics, dtype=np.float64),
    }


def find_ledger(path: Path) -> Path | None:
    """The results file of meta-nmt-evaluate that ``path`` is or holds; None where it is and holds none."""
    inside = path / ledger.FILE_NAME
    return path if path.is_file() else inside if inside.is_file() else None


def result_files(path: Path) -> Iterator[Path]:
    """The result.json files below a folder, or those of the finished cells of a results file.

    Raises:
        InputError: there are none, or ``path`` is neither a folder nor a results file.
    """
    results_file = find_ledger(path)
    if results_file is not None:
        cells = [cell["results"] for cell in ledger.finished_cells(ledger.read_ledger(results_file))]
        if not cells:
            raise InputError(f"{results_file}: must name at least one finished cell, but names none")
        yield from (results_file.parent / folder / "result.json" for folder in cells)
        return
    if not path.is_dir():
        raise InputError(f"{path}: must be a folder with results or a results file, but {fault_of(path, 'is none')}")
    files = sorted(path.rglob("result.json"))
    if not files:
        raise InputError(f"{path}: must hold result.json files (meta-nmt-generate writes them), but has none")
    yield from files


def unique(items: Iterable[Any]) -> list[Any]:
    """The items in order, without repeats; an item need not be hashable."""
    kept: list[Any] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept
