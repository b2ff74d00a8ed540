"""Preparing data: lines a second by stage, and how memory grows with the text.

The stages are the pipeline's own functions, for one language and English, each in a process of its own: cleaning,
SentencePiece, vectors (svd), alignment, binarising. Each runs once. There is no peer: "ours" is the larger text, "peer"
the smaller. The ratio of memory is its growth over the growth of lines (1: grows as the text does; 0: does not grow).
Cleaning is also measured against a peer: the plain loop of benchmarks/clean_speed.py.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import clean_speed
from benchmarks.clean_speed import write_pairs
from benchmarks.measure import Row, apart, peak_of, rounded, unmeasured
from benchmarks.settings import Settings
from data_prep.base.data_folder import PackFolder

STAGES = ("clean", "subwords", "vectors", "align", "binarise")
DIM = 300


def read(path: Path) -> list[str]:
    """The lines of a text file."""
    return path.read_text("utf-8").split("\n")[:-1]


def stage(name: str, folder: str, threads: int) -> dict[str, float]:
    """The seconds and MiB of a stage on the text in ``folder``; to be called in a process of its own."""
    from data_prep.cleaning import clean
    from data_prep.packs import align, anchors, binarise, subwords, ulr_tables, vectors

    torch.set_num_threads(threads)
    work = Path(folder)
    raw_files, text_files = ([work / f"{stem}.{side}" for side in ("source", "english")] for stem in ("raw", "clean"))
    packs = [PackFolder(work / "xx"), PackFolder(work / "en")]
    tables = [work / "xx.npy", work / "en.npy"]

    def run() -> None:
        if name == "clean":
            clean.clean_files(raw_files, text_files, clean.Filters(langs=("xx", "en")))
        elif name == "subwords":
            for side, pack in zip(text_files, packs, strict=True):
                subwords.write_pack(pack, read(side), [], None)
        elif name == "vectors":
            for side, pack, table in zip(text_files, packs, tables, strict=True):
                vectors.write_vectors(pack, read(side), [], DIM, table)
        elif name == "align":
            ulr_tables.write_english(packs[1], tables[1])
            align.align_pack(packs[0], tables[0], packs[1], anchors.Sources(parallel=(text_files[0], text_files[1])))
        else:
            for side, pack in zip(text_files, packs, strict=True):
                binarise.binarise(side, pack, work / "bin" / pack.lang)

    start = time.perf_counter()
    peak = peak_of(run)
    return {"seconds": time.perf_counter() - start, **peak}


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of cleaning against a plain loop; then two rows a stage for each pair of text sizes."""
    pairs = (20_000, 10_000) if settings.quick else (1_000_000, 200_000)
    yield from clean_speed.measure(*pairs, settings.threads, settings.rounds)
    sizes = [3_000, 30_000] if settings.quick else [10_000, 100_000, 1_000_000]
    before: dict[str, dict[str, float]] = {}
    for lines in sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_pairs(lines, Path(folder))
            for name in STAGES:
                try:
                    cost = apart(stage, name, folder, settings.threads)
                except RuntimeError as error:
                    yield unmeasured(f"prepare_{name}_{lines}_lines_per_s", "lines/s", error)
                    break
                if name in before:
                    yield from growth(name, lines, cost, lines // 10, before[name])
                before[name] = cost


def growth(name: str, lines: int, cost: dict[str, float], fewer: int, before: dict[str, float]) -> Iterator[Row]:
    """The rows of a stage at two sizes of text: its speed, and the growth of memory over the growth of lines."""
    speed, slower = lines / cost["seconds"], fewer / before["seconds"]
    what = f"{lines} lines against {fewer}, no peer; one run each"
    yield Row(f"prepare_{name}_{lines}_lines_per_s", rounded(speed), rounded(slower), rounded(speed / slower),
              "lines/s", None, what)  # fmt: skip
    ratio = cost["added"] / before["added"] / (lines / fewer)
    yield Row(f"prepare_{name}_{lines}_memory", rounded(cost["added"]), rounded(before["added"]), rounded(ratio),
              "MiB", None, f"{what}; added at the peak, of {cost['whole']:.0f} MiB in all; ratio: growth of "
              "memory over growth of lines, lower is better")  # fmt: skip
