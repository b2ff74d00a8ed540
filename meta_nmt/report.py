"""The BLEU report: every translation of a test set scored, with its seeds, cost and what it was made with.

A result is a folder with result.json, hypotheses.txt and references.txt, as meta-nmt-generate writes it. BLEU
and chrF are sacreBLEU's with its defaults: `sacrebleu references.txt -i hypotheses.txt` gives the same.
"""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from sacrebleu.metrics import BLEU, CHRF

from data_prep.errors import InputError
from data_prep.provenance import read_json, versions, write_json, write_text

PACKAGES = ("meta-nmt", "torch", "fairseq-fixed", "sacrebleu", "sentencepiece", "numpy")
FIELDS = {
    "system": str,
    "target": str,
    "english_tokens": int,
    "strategy": str,
    "seed": int,
    "commands": list,
    "cost": list,
}
COST_FIELDS = {"command": str, "kind": str, "run": str, "train_tokens": int, "wall_s": float,
               "peak_memory_mib": float, "device": str}  # fmt: skip
SYSTEM_ORDER = ("scratch", "joint")  # the baselines come first, other systems after them by name
STRATEGY_ORDER = ("zero", "emb", "emb_enc", "all")


@dataclass(frozen=True)
class Result:
    """One scored translation. BLEU and chrF are percentages; paths are absolute."""

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
    signature: str
    chrf_signature: str

    @property
    def name(self) -> tuple[str, str, int, str, int]:
        return (self.system, self.target, self.english_tokens, self.strategy, self.seed)

    @property
    def order(self) -> tuple[Any, ...]:
        return (
            self.target,
            self.english_tokens,
            _rank(self.strategy, STRATEGY_ORDER),
            self.system_order,
            self.seed,
        )

    @property
    def system_order(self) -> tuple[int, str]:
        return _rank(self.system, SYSTEM_ORDER)


def _rank(value: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(value) if value in order else len(order), value)


def read_lines(path: Path) -> list[str]:
    """A text file's lines as the sacrebleu command reads them: cut at line feeds only, no trailing space."""
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


def read_result(path: Path) -> Result:
    """Read and score one result.json with the text files beside it.

    Raises:
        InputError: a field or file is missing or malformed, or hypotheses and references differ in number.
    """
    record = read_json(path)
    _check_fields(record, FIELDS, str(path))
    for cost in record["cost"]:
        _check_fields(cost, COST_FIELDS, f"{path}, cost")
    hypotheses, references = path.parent / "hypotheses.txt", path.parent / "references.txt"
    translated, expected = read_lines(hypotheses), read_lines(references)
    if len(translated) != len(expected) or not expected:
        raise InputError(
            f"{hypotheses}: must have as many lines as {references.name} ({len(expected)}, at least 1), "
            f"but has {len(translated)}"
        )
    bleu, chrf = BLEU(), CHRF()
    scores = [metric.corpus_score(translated, [expected]).score for metric in (bleu, chrf)]
    return Result(
        **{name: record[name] for name in FIELDS},
        hypotheses=hypotheses,
        references=references,
        bleu=scores[0],
        chrf=scores[1],
        signature=bleu.get_signature().format(),
        chrf_signature=chrf.get_signature().format(),
    )


def read_results(folders: Iterable[Path]) -> list[Result]:
    """Every result below the folders, in the report's order; InputError if none, or one name twice."""
    results: dict[tuple[Any, ...], Result] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: must be a folder with results, but is none")
        paths = sorted(folder.rglob("result.json"))
        if not paths:
            raise InputError(f"{folder}: must hold result.json files (meta-nmt-generate writes them), but has none")
        for path in paths:
            result = read_result(path)
            known = results.setdefault(result.name, result)
            if known.hypotheses.resolve() != result.hypotheses.resolve():
                raise InputError(
                    f"{path}: must be another system, target, size, strategy or seed than "
                    f"{known.hypotheses.parent}/result.json, but is the same: {result.name}"
                )
    return sorted(results.values(), key=lambda result: result.order)


def commit() -> str:
    """The commit of this code, with "-dirty" when files differ from it; "unknown" outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def unique(items: Iterable[Any]) -> list[Any]:
    """The items without repeats, in order; they need not be hashable."""
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def as_json(results: Sequence[Result], out: Path) -> dict[str, Any]:
    """The report as scripts read it; paths of texts are relative to the folder ``out``."""
    rows = [
        {
            "system": result.system,
            "target": result.target,
            "english_tokens": result.english_tokens,
            "strategy": result.strategy,
            "seed": result.seed,
            "bleu": result.bleu,
            "chrf": result.chrf,
            "signature": result.signature,
            "hypotheses": os.path.relpath(result.hypotheses.resolve(), out.resolve()),
            "references": os.path.relpath(result.references.resolve(), out.resolve()),
        }
        for result in results
    ]
    run = {
        "commit": commit(),
        "versions": versions(PACKAGES),
        "commands": unique(command for result in results for command in result.commands),
        "cost": unique(cost for result in results for cost in result.cost),
    }
    return {"rows": rows, "run": run}


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A Markdown table, followed by an empty line."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines] + [""]


def summary(results: Sequence[Result]) -> list[str]:
    """One row per target, size and strategy; BLEU per system as mean ± standard deviation over n seeds.

    A system trained from scratch has no strategy: it stands beside every strategy of its target and size.
    """
    systems = [system for _, system in sorted({result.system_order for result in results})]
    cells: dict[tuple[str, int, str], dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:  # in the report's order, which the rows keep
        if result.system != "scratch":
            cells[result.target, result.english_tokens, result.strategy][result.system].append(result)
    for result in results:
        if result.system == "scratch":
            sample = (result.target, result.english_tokens)
            beside = [name for name in cells if name[:2] == sample and name[2] != "zero"]
            for name in beside or [(*sample, result.strategy)]:
                cells[name]["scratch"].append(result)
    rows = [[*name, *(_cell(by_system.get(system, [])) for system in systems)] for name, by_system in cells.items()]
    return table(["target", "English tokens", "strategy", *systems], rows)


def _cell(results: Sequence[Result]) -> str:
    if not results:
        return ""
    bleu, chrf = ([getattr(result, metric) for result in results] for metric in ("bleu", "chrf"))
    if len(results) == 1:
        return f"{bleu[0]:.2f} (chrF {chrf[0]:.2f}, n=1)"
    return f"{mean(bleu):.2f} ± {stdev(bleu):.2f} (chrF {mean(chrf):.2f}, n={len(results)})"


def cost_table(costs: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [cost["kind"], _shown(cost["run"]), f"{cost['train_tokens']:,}", f"{cost['wall_s']:.0f}",
         f"{cost['peak_memory_mib']:.0f}", cost["device"]]
        for cost in costs
    ]  # fmt: skip
    return table(["kind", "run", "train tokens", "wall s", "peak MiB", "device"], rows)


def _shown(path: str) -> str:
    """The end of a path: enough to tell runs apart."""
    return "/".join(Path(path).parts[-3:])


def training_behind(results: Sequence[Result]) -> list[str]:
    """Tokens that each system had been trained on before adaptation, so that a comparison can be judged."""
    tokens: dict[str, set[int]] = defaultdict(set)
    for result in results:
        tokens[result.system].add(sum(cost["train_tokens"] for cost in result.cost if cost["kind"] == "train"))
    rows = [[system, ", ".join(f"{count:,}" for count in sorted(counts))] for system, counts in tokens.items()]
    return table(["system", "training tokens before adaptation"], rows)


def as_markdown(results: Sequence[Result], report: dict[str, Any], title: str) -> str:
    run = report["run"]
    per_seed = [
        [result.target, result.english_tokens, result.strategy, result.system, result.seed,
         f"{result.bleu:.2f}", f"{result.chrf:.2f}"]
        for result in results
    ]  # fmt: skip
    signatures = unique(text for result in results for text in (result.signature, result.chrf_signature))
    lines = [f"# {title}", "", "BLEU, mean ± standard deviation over n seeds; zero: without adaptation.", ""]
    lines += [*summary(results), "## Every run", ""]
    lines += table(["target", "English tokens", "strategy", "system", "seed", "BLEU", "chrF"], per_seed)
    lines += ["## Cost", "", *training_behind(results), *cost_table(run["cost"])]
    lines += ["## Made with", "", *(f"- sacreBLEU `{signature}`" for signature in signatures)]
    lines += [
        f"- commit {run['commit']}",
        *(f"- {name} {number}" for name, number in run["versions"].items()),
        "",
    ]
    lines += ["## Commands", "", "```", *run["commands"], "```"]
    return "\n".join(lines) + "\n"


def write_report(results: Sequence[Result], out: Path, title: str) -> Path:
    """Write report.json and report.md into the folder ``out``; returns the path of report.md."""
    report = as_json(results, out)
    text = as_markdown(results, report, title)
    write_json(out / "report.json", report)
    write_text(out / "report.md", text)
    return out / "report.md"
