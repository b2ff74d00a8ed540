"""What more languages cost: a meta-step, its start, and memory, with 4 to 256 made-up languages.

Every language has a pack and a corpus in files of its own. A step is timed as a whole: drawing the episode, collating,
the meta-step of a small model. Ratios are against 4 languages. Lower is better, and 1 means no growth.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq import tasks
from fairseq.data import Dictionary, indexed_dataset
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from benchmarks.measure import Row, apart, compare, in_turns, unique_mib
from benchmarks.settings import Settings
from benchmarks.transformer import optimizer_of, update
from data_prep.base.data_folder import DataFolder
from meta_nmt.cli.train import parse_args

COUNTS = (4, 16, 64, 256)
PIECES, WIDTH, LINES = 2000, 128, 1000


def code(number: int) -> str:
    """The code of a made-up language: qaa, qab, ..."""
    return "q" + chr(97 + number // 26) + chr(97 + number % 26)


def write_side(prefix: Path, symbols: Dictionary, rng: np.random.Generator) -> None:
    """Write one side of a binarised split: LINES sentences of 5 to 39 pieces."""
    builder = indexed_dataset.make_builder(f"{prefix}.bin", impl="mmap", vocab_size=len(symbols))
    for length in np.random.default_rng(1).integers(5, 40, LINES):
        ids = rng.integers(symbols.nspecial, len(symbols), length)
        builder.add_item(torch.IntTensor([*ids.tolist(), symbols.eos()]))
    builder.finalize(f"{prefix}.idx")


def write_folder(data: Path, languages: int) -> None:
    """Write a data folder of so many source languages, as meta-nmt-preprocess makes it."""
    rng, symbols = np.random.default_rng(0), Dictionary()
    for number in range(PIECES):
        symbols.add_symbol(f"p{number}", PIECES - number)
    codes = [code(number) for number in range(languages)]
    folder = DataFolder(data, "en")
    for subfolder in (folder.binaries, folder.universal.path, *(folder.pack(name).path for name in ("en", *codes))):
        subfolder.mkdir(parents=True)
    symbols.save(str(folder.pack("en").dictionary))
    vectors = rng.standard_normal((len(symbols), WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(folder.universal.keys, vectors[symbols.nspecial :])
    for name in codes:
        symbols.save(str(folder.pack(name).dictionary))
        np.save(folder.pack(name).vectors, vectors)
        for prefix in folder.binary_sides(name, "train"):
            write_side(prefix, symbols, rng)
    record = {"format": 1, "target_lang": "en", "languages": {name: {"role": "source"} for name in codes}}
    folder.record.write_text(json.dumps(record | {"options": {}, "versions": {}}), encoding="utf-8")


def set_up(data: Path, languages: int, *flags: str) -> tuple[Any, Any]:
    """The task with its training data open, and its configuration."""
    argv = [str(data), "--source-langs", ",".join(map(code, range(languages))), "--disable-validation"]
    argv += ["--arch", "ulr_transformer_tiny", "--support-tokens", "500", "--query-tokens", "500", *flags]
    cfg = convert_namespace_to_omegaconf(parse_args(argv))
    task = tasks.setup_task(cfg.task)
    task.load_dataset("train")
    return task, cfg


def draw(task: Any, number: int) -> Any:
    """The sample of a meta-step with one task."""
    dataset = task.dataset("train")
    return dataset.collater([dataset[number]])


def start_up(data: str, languages: int) -> dict[str, float]:
    """The seconds from the configuration to the first sample, and the MiB of this process alone.

    To be called in a process of its own.
    """
    start = time.perf_counter()
    task, _ = set_up(Path(data), languages)
    draw(task, 0)
    return {"seconds": time.perf_counter() - start, "mib": unique_mib()}


def step_of(data: Path, languages: int) -> Callable[[], None]:
    """A function that makes 5 meta-steps, and draws the next episodes at each call."""
    task, cfg = set_up(data, languages)
    torch.manual_seed(1)
    model = task.build_model(cfg.model)
    criterion, optimizer = task.build_criterion(cfg.criterion), optimizer_of(model)
    numbers = iter(range(len(task.dataset("train"))))

    def step() -> None:
        for _ in range(5):  # languages and lengths differ from step to step
            _, size, _ = task.train_step(draw(task, next(numbers)), model, criterion, optimizer, 0)
            update(model, optimizer, size)

    return step


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of a step, of start-up and of memory, for every number of languages."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        write_folder(data, max(COUNTS))
        steps: dict[str, Callable[[], object]] = {str(count): step_of(data, count) for count in COUNTS}
        seconds = in_turns(steps, settings.rounds)
        for count in COUNTS[1:]:
            yield compare(f"step_with_{count}_languages", "s", seconds[str(count)], seconds[str(COUNTS[0])],
                          "5 meta-steps, episodes drawn; peer: 4 languages, 1 is flat")  # fmt: skip
        starts: dict[int, list[dict[str, float]]] = {count: [] for count in COUNTS}
        for _ in range(settings.rounds):
            for count in COUNTS:
                start = time.perf_counter()
                figures = apart(start_up, str(data), count)
                starts[count].append(figures | {"process": time.perf_counter() - start})
        few = starts[COUNTS[0]]
        for count in COUNTS[1:]:
            for kind, what in (("seconds", "task, data and first sample"), ("process", "whole process, imports too")):
                label = "task" if kind == "seconds" else "process"
                many_s, few_s = ([figures[kind] for figures in runs] for runs in (starts[count], few))
                yield compare(f"start_up_{label}_with_{count}_languages", "s", many_s, few_s,
                              f"{what}; peer: 4 languages")  # fmt: skip
        most = starts[COUNTS[-1]]
        added = [(a["mib"] - b["mib"]) / (COUNTS[-1] - COUNTS[0]) for a, b in zip(most, few, strict=True)]
        files = sum(path.stat().st_size for path in data.glob("**/*") if code(0) in str(path.relative_to(data))) / 2**20
        yield compare("memory_of_a_language", "MiB", added, [files] * len(added),
                      "that the process alone has after start-up; peer: size of the language's files")  # fmt: skip
