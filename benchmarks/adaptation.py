"""Adapting to 600 pairs against fairseq-train, and translating against fairseq-generate and CTranslate2.

The languages are generated. A small joint model, trained for some updates, is adapted by meta-nmt-adapt to 600 pairs of
a held-out language. The peer is fairseq-train with its `transformer` of the same sizes: the same pairs, updates,
batches and validation by BLEU. Whole commands are timed, in turns. Then translation is measured with the adapted model
(benchmarks/translation.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import REPO, Row, in_turns, speeds
from benchmarks.settings import Settings
from benchmarks.translation import Bench
from data_prep.base.data_folder import DataFolder

SOURCES, VALID, TARGET = "qaa,qba,qca", "qav", "qbx"
SAMPLE = "train-4800-s1"  # about 600 pairs
TINY = ["--encoder-layers", "2", "--decoder-layers", "2", "--encoder-embed-dim", "128", "--decoder-embed-dim", "128"]
TINY += ["--encoder-ffn-embed-dim", "256", "--decoder-ffn-embed-dim", "256", "--encoder-attention-heads", "4"]
TINY += ["--decoder-attention-heads", "4", "--share-decoder-input-output-embed", "--dropout", "0.1"]


def command(threads: int, *argv: object) -> None:
    """Run a Python module to its end; RuntimeError with its last line where it fails."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(REPO)}
    process = subprocess.run([sys.executable, "-m", *map(str, argv)], cwd=REPO, env=env, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError((process.stderr.strip() or f"{argv[0]}: exit status {process.returncode}").splitlines()[-1])


def make_world(work: Path, threads: int) -> Path:
    """Make generated text, the data folder and a joint model in ``work``; returns the data folder."""
    corpus, data = work / "corpus", work / "data"
    codes = f"{SOURCES},{VALID},{TARGET}"
    command(threads, "data_prep", "synthetic", "--out", corpus, "--languages", codes, "--mono-sentences", 2000)
    command(threads, "meta_nmt.cli.preprocess", "--out", data, "--corpus", corpus, "--mono", corpus / "mono",
            "--dictionaries", corpus / "dict", "--source-langs", SOURCES, "--valid-langs", VALID, "--target-langs",
            TARGET, "--english-tokens", "4800", "--sample-seeds", "1", "--vocab-size", "1000", "--universal-tokens",
            "1000", "--vector-dim", "64")  # fmt: skip
    command(threads, "meta_nmt.cli.train", data, "--save-dir", work / "joint", "--source-langs", SOURCES,
            "--disable-validation", "--arch", "ulr_transformer_tiny", "--meta-learner", "joint", "--support-tokens",
            "500", "--query-tokens", "500", "--max-update", "100", "--lr", "2e-3",
            "--warmup-updates", "50")  # fmt: skip
    return data


def plain_folder(data: Path, folder: Path) -> None:
    """Write the sample and the dev set of a data folder into ``folder``, as stock fairseq reads them."""
    folder.mkdir()
    data_folder = DataFolder(data, "en")
    for split, name in ((SAMPLE, "train"), ("valid", "valid")):
        for path in data_folder.binary_files(TARGET, split):
            shutil.copy(path, folder / f"{name}{path.name.removeprefix(split)}")
    for side in (TARGET, "en"):
        shutil.copy(data_folder.pack(side).dictionary, folder / f"dict.{side}.txt")


def common(updates: int) -> Sequence[object]:
    """The flags that both sides have."""
    return ["--max-update", updates, "--max-tokens", 1000, "--save-interval-updates", updates // 2, "--seed", 1]


def adapt(data: Path, work: Path, updates: int, threads: int) -> None:
    """Adapt the joint model by meta-nmt-adapt: our side."""
    shutil.rmtree(work / "ours", ignore_errors=True)
    command(threads, "meta_nmt.cli.adapt", data, "--checkpoint", work / "joint/checkpoint_last.pt", "--source-lang",
            TARGET, "--train-subset", SAMPLE, "--save-dir", work / "ours", *common(updates))  # fmt: skip


def fine_tune(folder: Path, work: Path, updates: int, threads: int) -> None:
    """Train by fairseq-train with the settings that meta-nmt-adapt has: the peer."""
    shutil.rmtree(work / "peer", ignore_errors=True)
    command(threads, "fairseq_cli.train", folder, "--save-dir", work / "peer", "--task", "translation", "-s", TARGET,
            "-t", "en", "--arch", "transformer", *TINY, "--criterion", "label_smoothed_cross_entropy",
            "--label-smoothing", "0.1", "--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0",
            "--lr-scheduler", "fixed", "--lr", "5e-4", "--validate-interval", "1000000", "--save-interval", "1000000",
            "--keep-interval-updates", "2", "--no-epoch-checkpoints", "--eval-bleu", "--eval-bleu-args",
            '{"beam": 1, "max_len_a": 1.5, "max_len_b": 10}', "--eval-bleu-detok", "space",
            "--eval-bleu-remove-bpe", "sentencepiece", "--best-checkpoint-metric", "bleu",
            "--maximize-best-checkpoint-metric", *common(updates))  # fmt: skip


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of adaptations an hour, of sentences a second, and of the exports' agreement."""
    updates, threads = 20 if settings.quick else 200, settings.threads
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = make_world(work, threads)
        plain_folder(data, work / "plain")
        steps = {
            "ours": lambda: adapt(data, work, updates, threads),
            "peer": lambda: fine_tune(work / "plain", work, updates, threads),
        }
        seconds = in_turns(steps, 1 if settings.quick else settings.rounds)
        yield speeds("adaptation_vs_fairseq_train", "per hour", 3600, seconds["ours"], seconds["peer"],
                     f"whole commands: 600 pairs, {updates} updates, two validations by BLEU")  # fmt: skip
        args = Namespace(data=data, path=work / "ours/checkpoint_best.pt", source_lang=TARGET, target_lang="en",
                         subset="test", threads=threads, repeats=settings.rounds)  # fmt: skip
        (work / "export").mkdir()
        yield from Bench(args, work / "export").rows()
