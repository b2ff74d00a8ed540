"""Results as meta-nmt-generate writes them, made up but of real shape: for tests of what reads them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from data_prep.base.files import sha256, write_json, write_lines

WORDS = "the old dog sees a small cat who sleeps in every green garden while we read long books".split()
QUALITY = {"scratch": 0.45, "joint": 0.25, "fomaml": 0.15, "meta_sgd": 0.2}  # share of words that are wrong
DEVICE = "some processor, 1 threads"


def references(target: str, sentences: int) -> list[str]:
    rng = random.Random(target)
    return [" ".join(rng.choices(WORDS, k=rng.randint(5, 12))) for _ in range(sentences)]


def corrupted(lines: list[str], share: float, rng: random.Random) -> list[str]:
    return [" ".join(rng.choice(WORDS) if rng.random() < share else word for word in line.split()) for line in lines]


def cost(kind: str, run: str, tokens: int = 1000) -> dict[str, Any]:
    return {"command": f"meta-nmt-{kind} DATA --save-dir {run}", "kind": kind, "run": run, "parent": None,
            "train_tokens": tokens, "wall_s": 12.3, "peak_memory_mib": 456.7, "device": DEVICE}  # fmt: skip


def write_result(folder: Path, system: str, target: str, tokens: int, strategy: str, seed: int, **fields: Any) -> Path:
    """One result folder; its translations are the references with wrong words."""
    expected = references(target, 40)
    share = QUALITY[system] * (1.8 if tokens == 0 else 1000 / tokens if tokens > 2000 else 1.0)
    rng = random.Random(f"{system} {target} {tokens} {strategy} {seed}")
    for name, lines in (
        ("hypotheses", corrupted(expected, share, rng)),
        ("references", expected),
        ("sources", [line.upper() for line in expected]),
    ):
        write_lines(folder / f"{name}.txt", lines)
    costs = [] if system == "scratch" else [cost("train", f"{folder.parent}/runs/{system}", 123_456)]
    costs.append(cost("adapt", f"{folder.parent}/adapted/{folder.name}"))
    record = {"system": system, "target": target, "english_tokens": tokens, "strategy": strategy, "seed": seed,
              "checkpoint": "none.pt", "commands": [c["command"] for c in costs], "cost": costs}  # fmt: skip
    write_json(folder / "result.json", record | fields)
    return folder


def write_data_record(data: Path, targets: list[str], full: int) -> Path:
    """data.json of a data folder with ``full`` English tokens of training text for each target."""
    languages = {}
    for lang in ["src", *targets]:
        write_json(data / "bin" / f"{lang}-en.stage.json", {"inputs": [[f"train.{lang}", "0" * 64]]})
        languages[lang] = {
            "role": "target" if lang in targets else "source",
            "splits": {"train": {"lines": full // 8, "english_tokens": full}},
            "alignment": {"precision_at_1": 0.61},
            "audit": {"lines": 2 * full, "held_out": 80, "overlaps": 0},
        }
    audit = {"lines": 9 * full, "held_out": 70, "overlaps": 0}
    write_json(data / "data.json", {"target_lang": "en", "languages": languages, "english": {"audit": audit}})
    assert len(sha256(data / "data.json")) == 64
    return data


def make_results(root: Path, seeds: tuple[int, ...] = (1, 2, 3)) -> Path:
    """A small sweep: four systems on ro, three on fi; zero-shot, two budgets, full data from scratch, training logs,
    a data folder."""
    data = write_data_record(root / "data", ["ro", "fi"], 30_000)
    results = root / "results"
    for system, target in [*((system, "ro") for system in QUALITY), *((system, "fi") for system in list(QUALITY)[:3])]:
        cells = [] if system == "scratch" else [(0, "zero", 1)]
        strategy = "all" if system == "scratch" else "emb_enc"
        cells += [(tokens, strategy, seed) for tokens in (1000, 16_000) for seed in seeds]
        if system == "scratch":
            cells.append((30_000, "all", 1))
        if system == "meta_sgd":
            cells += [(16_000, "learned", seed) for seed in seeds]
        for tokens, name, seed in cells:
            folder = results / f"{target}-{system}-{name}-{tokens}-s{seed}"
            write_result(folder, system, target, tokens, name, seed, data=str(data))
        if system != "scratch":
            points = [{"split": "valid", "updates": n, "loss": 6 - n / 20, "bleu": n / 4.0} for n in (20, 40, 60)]
            write_lines(results / "runs" / system / "train_log.jsonl", [json.dumps(point) for point in points])
    return results
